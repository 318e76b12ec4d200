"""Who lives in the worlds: what is planted in the demo and in the tests' small world, in known numbers."""

from collections.abc import Sequence

from imgkit.demo.builder import CORAL, KING, ROBOTS, WorldBuilder
from imgkit.demo.faults import FAULTS
from imgkit.demo.world import Host, Kind, World

HOST_NAMES = ("photos", "archive", "garden", "herpetology", "trails", "museum")


def small_world(*, good: int, faults: Sequence[str], providers: Sequence[str], hosts: int, seed: int) -> World:
    """Return the world of :meth:`imgkit.demo.world.World.small`."""
    builder = WorldBuilder(hosts=[Host(name=name, robots=ROBOTS) for name in HOST_NAMES[:hosts]], seed=seed)
    for _ in range(good):
        for label in (CORAL, KING):
            builder.add(label, providers=providers)
    for name in faults:
        kind: Kind = "good" if FAULTS[name].recoverable else "lost"
        builder.add(CORAL, kind=kind, fault=name, providers=providers, id=f"fault-{name}")
    return builder.build()


def demo_world(*, seed: int) -> World:
    """Return the world of :meth:`imgkit.demo.world.World.demo`."""
    return small_world(good=12, faults=("429_once", "404", "truncated"), providers=("bing",), hosts=3, seed=seed)
