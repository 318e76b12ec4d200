"""The pictures of the demo world and of the worlds for tests, with known numbers of each kind and fault."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from imgkit.demo.builder import CORAL, KING, ROBOTS, TITLES, WorldBuilder
from imgkit.demo.drawing.copies import CHANGES
from imgkit.demo.drawing.off_topic import SUBJECTS
from imgkit.demo.web.faults import FAULTS
from imgkit.demo.world import Drawing, Host, Kind, World, WorldPicture

HOST_NAMES: Final = ("photos", "archive", "garden", "herpetology", "trails", "museum", "fieldnotes", "wetlands")

GOOD_PER_LABEL: Final = 140
WRONG_PER_LABEL: Final = 11
OFFTOPIC_PER_LABEL: Final = 7  # each of another subject
EXACT_COPIES_PER_LABEL: Final = 10
NEAR_COPIES_PER_LABEL: Final = 12
CONFLICTS: Final = 2
"""Exact copies of a picture of one label that are listed under the other as well."""
EXCLUDED_PER_LABEL: Final = 3
LOST: Final[tuple[str, ...]] = (
    *("404", "410", "403", "html_named_jpg", "empty", "truncated", "bomb_png", "pixel"),
    *("icon", "noai", "robots", "redirect_loop"),
)
"""Faults of the pictures that nobody can get, one of each under each label."""
DAMAGED: Final[tuple[str, ...]] = ("cut_with_end",)
"""Faults that only a look at the picture finds, one of each under each label."""
PLACEHOLDERS_PER_LABEL: Final = 4
MENDED: Final[tuple[str, ...]] = (
    *("429_once", "429_once", "503_once", "503_twice", "reset_once", "needs_referer", "redirect_three", "chunked"),
    *("gzipped", "octet_stream", "ends_early_once", "late", "no_extension", "query_string"),
    *("png", "png_alpha", "png_palette", "webp_named_jpg", "cmyk", "sideways", "gps", "mpo", "progressive", "gif"),
)
"""Faults and odd forms of good pictures that a polite client still gets, one of each under each label."""

SIZES: Final = ((640, 480), (800, 600), (480, 640), (720, 480), (500, 500), (420, 300), (600, 800))
LARGE: Final = ((900, 600), (1200, 800), (1000, 660))
"""Sizes of which collections offer smaller versions, too: only for pictures that a web search alone lists."""
LICENCES: Final = ("by", "by", "by-sa", "by-nc", "cc0", "by-nc-sa")
AUTHORS: Final = ("Ada Example", "Ben Sample", "Chris Field", "Dana Trail", "Eli Moss")
MIXES: Final = (
    (("bing",), 0.30),
    (("bing", "openverse"), 0.14),
    (("openverse",), 0.12),
    (("flickr", "bing"), 0.12),
    (("flickr",), 0.10),
    (("commons",), 0.08),
    (("commons", "openverse"), 0.04),
    (("inaturalist",), 0.08),
    (("inaturalist", "gbif"), 0.02),
)
"""Which providers list a good picture, with what probability."""
CARELESS: Final = ("bing", "flickr", "openverse")
"""Providers that list what does not belong."""


def small_world(
    *,
    good: int = 6,
    faults: Sequence[str] = (),
    providers: Sequence[str] = ("bing",),
    hosts: int = 2,
    seed: int = 0,
) -> World:
    """Return a world for tests: per label some good pictures, and one picture of the first label for each fault.

    The pictures are small (320 × 240 px) and listed at every one of ``providers`` in the order of their ids:
    ``coral_snake-001``, ``coral_snake-002`` …; those with faults follow as ``fault-<name>``. A fault that may pass
    tomorrow has a host of its own; a placeholder has four addresses, the second ending in ``-2``.
    """
    names = [*HOST_NAMES[:hosts], *(_own_host(name) for name in faults if FAULTS[name].passing)]
    builder = WorldBuilder(hosts=[Host(name=name, robots=ROBOTS) for name in names], spread=hosts, seed=seed)
    for _ in range(good):
        for label in (CORAL, KING):
            builder.add(label, providers=providers)
    for name in faults:
        _add_fault(builder, name, providers)
    return builder.build()


def _add_fault(builder: WorldBuilder, name: str, providers: Sequence[str]) -> None:
    fault = FAULTS[name]
    if fault.reason == "img.placeholder":  # what gives it away is that it comes from four addresses of a host
        for number in ("", "-2", "-3", "-4"):
            builder.add(
                CORAL, kind="lost", fault=name, providers=providers, id=f"fault-{name}{number}", host=HOST_NAMES[0]
            )
        return
    host = _own_host(name) if fault.passing else ""
    builder.add(CORAL, kind=_kind(name), fault=name, providers=providers, id=f"fault-{name}", host=host)


def _own_host(fault: str) -> str:
    """A host that fails again and again is left alone for a while, with all its pictures: such a fault lives alone."""
    return f"host-of-{fault}"


def _kind(fault: str) -> Kind:
    if not fault:
        return "good"
    if FAULTS[fault].flag:
        return "damaged"
    return "good" if FAULTS[fault].recoverable else "lost"


def demo_world(*, seed: int = 0) -> World:
    """Return the world of ``imgkit demo``: two kinds of snakes, with everything planted in known numbers."""
    hosts = [Host(name=name, robots=ROBOTS) for name in HOST_NAMES]
    hosts[1] = Host(name=HOST_NAMES[1])  # without robots.txt
    hosts[5] = replace(hosts[5], delay=0.25)  # a slow one
    plan = _Plan(WorldBuilder(hosts=hosts, seed=seed), np.random.default_rng([seed, 1]))
    good = {label: plan.good(label) for label in (CORAL, KING)}
    for label, other in ((CORAL, KING), (KING, CORAL)):
        plan.copies(label, good[label])
        plan.misplaced(label, other)
        plan.lost(label)
    for number in range(CONFLICTS):
        plan.builder.exact_copy(good[CORAL][-1 - number], listed_as=KING, providers=("bing",))
    return plan.builder.build(shuffle=True)


class _Plan:
    """Adds the demo's pictures of a kind for a label."""

    def __init__(self, builder: WorldBuilder, rng: np.random.Generator) -> None:
        self.builder = builder
        self.rng = rng

    def good(self, label: str) -> list[WorldPicture]:
        """Good pictures, the first ones with faults that a polite client overcomes."""
        faults = [*MENDED, *([""] * (GOOD_PER_LABEL - len(MENDED)))]
        added = []
        for number, fault in enumerate(faults):
            providers = ("bing", "openverse") if fault else self._providers()
            free = providers != ("bing",)  # what only a web search finds has any licence
            picture = self.builder.add(
                label,
                drawing=self._drawing(label, large=not free),
                providers=providers,
                phrases=self._phrases(label),
                fault=fault,
                title=f"{TITLES[label]} ({number + 1})",
                tags=("snake", "reptile", "florida"),
                author=AUTHORS[self.rng.integers(len(AUTHORS))],
                license=LICENCES[self.rng.integers(len(LICENCES))] if free else "arr",
                group=f"observation-{label}-{number // 2}" if number % 6 < 2 else "",
            )
            added.append(picture)
        return added

    def copies(self, label: str, good: Sequence[WorldPicture]) -> None:
        """Exact and near copies of plain good pictures, each on the next host, each picture copied at most once."""
        plain = [picture for picture in good if not picture.fault and "photos" not in picture.path]
        for picture in plain[:EXACT_COPIES_PER_LABEL]:
            self.builder.exact_copy(picture, providers=self._careless())
        changes = list(CHANGES)
        for number, picture in enumerate(plain[EXACT_COPIES_PER_LABEL:][:NEAR_COPIES_PER_LABEL]):
            self.builder.near_copy(picture, changes[number % len(changes)], providers=self._careless())

    def misplaced(self, label: str, other: str) -> None:
        """Pictures of the other label, of nothing that was asked for, and with an excluded word in their title."""
        for _ in range(WRONG_PER_LABEL):
            self.builder.add(
                label, kind="wrong_label", shows=other, drawing=self._drawing(other), providers=self._careless()
            )
        half = SUBJECTS[::2] if label == CORAL else SUBJECTS[1::2]
        for subject in half[:OFFTOPIC_PER_LABEL]:
            drawing = self._drawing(subject)
            self.builder.add(label, kind="offtopic", shows="", drawing=drawing, providers=self._careless())
        for word in ("toy", "tattoo", "toy")[:EXCLUDED_PER_LABEL]:
            drawing = self._drawing(label)
            title = f"Rubber {word} of a snake" if word == "toy" else f"Snake {word} on an arm"
            self.builder.add(label, kind="excluded", drawing=drawing, title=title, providers=("bing",))

    def lost(self, label: str) -> None:
        """Addresses that give nobody a picture, or half of one."""
        for fault in (*LOST, *DAMAGED):
            self.builder.add(
                label, kind=_kind(fault), drawing=self._drawing(label), fault=fault, providers=self._careless()
            )
        for _ in range(PLACEHOLDERS_PER_LABEL):
            drawing = Drawing(subject="placeholder", seed=0, width=500, height=375)
            self.builder.add(
                label, kind="placeholder", shows="", drawing=drawing, host=HOST_NAMES[3], providers=self._careless()
            )

    def _drawing(self, subject: str, *, large: bool = False) -> Drawing:
        sizes = (*SIZES, *LARGE) if large else SIZES
        return self.builder.drawing(subject, size=sizes[self.rng.integers(len(sizes))])

    def _providers(self) -> tuple[str, ...]:
        weights = [weight for _, weight in MIXES]
        return MIXES[self.rng.choice(len(MIXES), p=weights)][0]

    def _careless(self) -> tuple[str, ...]:
        return (CARELESS[self.rng.choice(len(CARELESS), p=[0.6, 0.25, 0.15])],)

    def _phrases(self, label: str) -> tuple[str, ...]:
        """Half of the pictures are found by every phrase, the others by the common or by the Latin names only."""
        topic = next(topic for topic in self.builder.topics if topic.label == label)
        chance = self.rng.random()
        if chance < 0.5:
            return ()
        return tuple(phrase for phrase in topic.phrases if ("snake" in phrase) == (chance < 0.75))
