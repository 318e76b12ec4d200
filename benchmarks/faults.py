"""Harvest a web on which a fifth of all addresses misbehave, and every kind of fault again and again.

    python benchmarks/faults.py

First table: every fault of the demo's web, ``--repeats`` times in one harvest: how many pictures that a polite client
can get were lost, how many bad ones were kept, how many reasons were wrong, and the longest single fetch. Second
table: ``--pictures`` addresses on 16 hosts, a fifth of them silent, dripping, failing once or resetting once, against
the same number of good ones; the bound is 1.25 x (clean time + faults x 5 s / 32 workers).
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from imgkit.demo.builder import ROBOTS, WorldBuilder
from imgkit.demo.web.faults import FAULTS
from imgkit.demo.web.server import Web, serve
from imgkit.demo.world import Drawing, Host
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.manifest import Manifest, Query

WORKERS = 32
PAGE = "https://example.org/page"
MIX = ("silent", "slow_body", "503_once", "reset_once")


def main() -> None:
    """Run both and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--pictures", type=int, default=2000)
    options = parser.parse_args()
    if options.repeats:
        every_fault(options.repeats)
    if options.pictures:
        a_fifth(options.pictures)


def every_fault(repeats: int) -> None:
    """Harvest every fault ``repeats`` times; each address has a host of its own kind."""
    # faults that put off their host, or hold it up, stand on hosts of their own, as they do on the real web
    stalling = [name for name, fault in FAULTS.items() if fault.stalls or fault.passing]
    names = [*(f"good{number}" for number in range(6)), *stalling]
    builder = WorldBuilder(hosts=[Host(name=name, robots=ROBOTS) for name in names])
    for number in range(repeats):
        for place, (name, fault) in enumerate(FAULTS.items()):
            host = name if name in stalling else f"good{(place + number) % 6}"
            kind = "good" if fault.recoverable else "lost"
            builder.add("coral_snake", fault=name, kind=kind, host=host, drawing=drawing(len(FAULTS) * number + place))
    with serve(builder.build()) as web:
        seconds, candidates = run(web)
        longest = max(one.finished - one.started for one in web.requests if one.finished)
        canary = sum(one.site == "canary" for one in web.requests)
        lost = kept = wrong = 0
        for one in candidates:
            fault = FAULTS[web.truth(one.proposal.url).fault]
            lost += fault.recoverable and one.state != "kept"
            kept += not fault.recoverable and one.state == "kept"
            if one.reason not in (fault.reason, *fault.also):
                wrong += 1
                print(f"  unexpected: {web.truth(one.proposal.url).fault}: {one.state} {one.reason} {one.detail}")
    print(f"{len(candidates)} candidates of {len(FAULTS)} kinds in {seconds:.0f} s")
    print(f"  recoverable lost {lost}, bad kept {kept}, other reason than expected {wrong}, canary reached {canary}")
    print(f"  longest fetch {longest:.1f} s")


def a_fifth(pictures: int) -> None:
    """Harvest a clean web and one on which every fifth address misbehaves."""
    seconds = {}
    for title, mix in (("clean", ()), ("a fifth faulty", MIX)):
        builder = WorldBuilder(hosts=[Host(name=f"host{n}") for n in range(16)])
        for number in range(pictures):
            fault = mix[number // 5 % len(mix)] if mix and number % 5 == 0 else ""
            kind = "lost" if fault and not FAULTS[fault].recoverable else "good"
            host = f"host{(number + number // 20) % 16}"  # every kind of fault on every host
            builder.add("coral_snake", fault=fault, kind=kind, host=host, drawing=drawing(number))
        with serve(builder.build()) as web:
            seconds[title], candidates = run(web)
        kept = sum(one.state == "kept" for one in candidates)
        print(f"{title}: {seconds[title]:.1f} s, {kept} kept of {len(candidates)}")
    faults = pictures // 5
    print(f"bound: {1.25 * (seconds['clean'] + faults * 5 / WORKERS):.1f} s")


def drawing(number: int) -> Drawing:
    """Return one of twenty drawings with bytes of its own."""
    return Drawing(subject="coral_snake", seed=number % 20, width=320, height=240, salt=str(number))


def run(web: Web) -> tuple[float, list]:
    """Harvest everything of a web into a folder of its own; return the seconds and the candidates."""
    place = Path(tempfile.mkdtemp(prefix="imgkit-faults-"))
    addresses = place / "list.csv"
    addresses.write_text("\n".join(["url,page_url", *(f'"{web.url(one)}",{PAGE}' for one in web.world.pictures)]))
    query = Query(label="all", name="all", text=str(addresses), providers=("urls",))
    try:
        began = time.monotonic()
        harvest([query], HarvestConfig(data=place, per_label=10**6), environ=web.environ)
        seconds = time.monotonic() - began
        with Manifest.open_existing(place) as manifest:
            return seconds, manifest.candidates()
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
