"""Compare the planted pictures of a world with the results of harvest and curate."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from imgkit.demo.web.faults import FAULTS
from imgkit.demo.world import Kind, World, WorldPicture
from imgkit.manifest import Candidate, Judgement, Manifest

RIGHT: Final[tuple[Kind, ...]] = ("good", "exact_copy", "near_copy")
"""Kinds of pictures that show what they are listed as."""
OFFTOPIC: Final = ("bad.offtopic", "bad.not_photo")
DAMAGED: Final = ("bad.quality", "img.truncated", "img.blank")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRow:
    """One kind of planted picture.

    Of ``planted`` ones ``arrived`` reached the stage that should notice them, ``found`` were noticed for what they are
    and ``in_set`` are in the curated set all the same (of copies: both the copy and what it repeats). ``false_alarms``
    counts pictures that were noticed for this and are nothing of the kind.
    """

    name: str
    planted: int
    arrived: int
    found: int
    in_set: int
    false_alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTruth:
    """The comparison. ``good`` pictures can be got by a polite client, the ones with passing faults included;
    ``good_harvested`` were, and ``good_in_set`` are in the curated set. ``surprises`` names what went otherwise than
    planted: "id: expected …, got …".
    """

    rows: tuple[PlantedRow, ...]
    good: int
    good_harvested: int
    good_in_set: int
    surprises: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the comparison as values that JSON can hold."""
        return asdict(self)


def compare(data: Path, world: World) -> DemoTruth:
    """Compare a data folder with the world that it was harvested from.

    Works after a harvest alone, too: nothing is in a set then, and what only curate can notice was not found.

    Raises:
        UsageError: the folder has no manifest.
    """
    with Manifest.open_existing(data) as manifest:
        outcomes = _Outcomes(
            world, manifest.candidates(), manifest.judgements(), {(i.label, i.image_id) for i in manifest.items()}, data
        )
    good = world.of_kind("good")
    return DemoTruth(
        rows=(
            _lost_row(outcomes),
            _refused_row(outcomes, "placeholders", "placeholder", "img.placeholder"),
            _refused_row(outcomes, "excluded words in the title", "excluded", "policy.excluded"),
            _exact_row(outcomes),
            _conflict_row(outcomes),
            _near_row(outcomes),
            _judged_row(outcomes, "wrong labels", "wrong_label", ("bad.label",)),
            _judged_row(outcomes, "off the topic", "offtopic", OFFTOPIC, also=("bad.label", "bad.quality")),
            _judged_row(outcomes, "damaged, but they load", "damaged", DAMAGED),
        ),
        good=len(good),
        good_harvested=sum(outcomes.arrived(picture) for picture in good),
        good_in_set=sum(outcomes.in_set(picture) for picture in good),
        surprises=tuple(_surprises(outcomes)),
    )


class _Outcomes:
    """The outcome of each planted picture according to the manifest."""

    def __init__(
        self,
        world: World,
        candidates: Iterable[Candidate],
        judgements: Mapping[tuple[str, str], Judgement],
        items: set[tuple[str, str]],
        data: Path,
    ) -> None:
        self.world = world
        self.items = items
        self.judgements = judgements
        self.data = data
        self.candidates: dict[str, list[Candidate]] = {}
        self.shown: dict[tuple[str, str], list[WorldPicture]] = {}
        for candidate in candidates:
            if picture := world.find(candidate.proposal.url):
                self.candidates.setdefault(picture.id, []).append(candidate)
                if candidate.image_id and candidate.state == "kept":
                    self.shown.setdefault((candidate.label, candidate.image_id), []).append(picture)

    def proposed(self, picture: WorldPicture) -> bool:
        return picture.id in self.candidates

    def reasons(self, picture: WorldPicture) -> set[str]:
        """The reasons with which harvest lost the addresses of a picture; "" for one that it kept."""
        tried = [candidate for candidate in self.candidates.get(picture.id, []) if candidate.state != "pending"]
        return {"" if candidate.state == "kept" else candidate.reason for candidate in tried}

    def keys(self, picture: WorldPicture) -> list[tuple[str, str]]:
        """The items that hold a picture."""
        known = self.candidates.get(picture.id, [])
        return [(c.label, c.image_id) for c in known if c.image_id and (c.label, c.image_id) in self.items]

    def arrived(self, picture: WorldPicture) -> bool:
        return bool(self.keys(picture))

    def in_set(self, picture: WorldPicture) -> bool:
        return any((self.data / "curated" / label / f"{id}.jpg").exists() for label, id in self.keys(picture))

    def both_in_set(self, copy: WorldPicture) -> bool:
        """Whether a copy and what it repeats are in the set as two files."""
        files = {id for p in (copy, self.world.picture(copy.copy_of)) for _, id in self.keys(p) if self.in_set(p)}
        return self.in_set(copy) and len(files) > 1

    def noticed(self, picture: WorldPicture, reasons: tuple[str, ...]) -> bool:
        return any(self.judgements[key].reason in reasons for key in self.keys(picture) if key in self.judgements)

    def noticed_items(self, reasons: tuple[str, ...]) -> list[WorldPicture]:
        """What the items show that curate noticed for a reason, one picture for each."""
        return [
            self.shown[key][0] for key, one in self.judgements.items() if one.reason in reasons and key in self.shown
        ]


def _row(
    outcomes: _Outcomes,
    name: str,
    pictures: list[WorldPicture],
    *,
    arrived: int,
    found: Callable[[WorldPicture], bool],
    alarms: int,
) -> PlantedRow:
    return PlantedRow(
        name=name,
        planted=len(pictures),
        arrived=arrived,
        found=sum(map(found, pictures)),
        in_set=sum(map(outcomes.both_in_set if pictures and pictures[0].copy_of else outcomes.in_set, pictures)),
        false_alarms=alarms,
    )


def _lost_row(outcomes: _Outcomes) -> PlantedRow:
    lost = outcomes.world.of_kind("lost")
    others = [p for p in outcomes.world.pictures if not p.reason]
    alarms = sum(bool(outcomes.reasons(p)) and not outcomes.reasons(p) & {"", "dup.exact"} for p in others)
    arrived = sum(map(outcomes.proposed, lost))
    return _row(
        outcomes, "broken or refused", lost, arrived=arrived, found=lambda p: _as_expected(outcomes, p), alarms=alarms
    )


def _as_expected(outcomes: _Outcomes, picture: WorldPicture) -> bool:
    fault = FAULTS[picture.fault]
    reasons = outcomes.reasons(picture)
    return bool(reasons) and reasons <= {fault.reason, *fault.also}


def _refused_row(outcomes: _Outcomes, name: str, kind: Kind, reason: str) -> PlantedRow:
    planted = outcomes.world.of_kind(kind)
    alarms = sum(
        reason in outcomes.reasons(p) for p in outcomes.world.pictures if p.kind != kind and p.reason != reason
    )
    arrived = sum(map(outcomes.proposed, planted))
    return _row(outcomes, name, planted, arrived=arrived, found=lambda p: reason in outcomes.reasons(p), alarms=alarms)


def _exact_row(outcomes: _Outcomes) -> PlantedRow:
    planted = [
        p for p in outcomes.world.of_kind("exact_copy") if p.listed_as == outcomes.world.picture(p.copy_of).listed_as
    ]
    drawings: dict[tuple[str, str], set[object]] = {}
    for id, candidates in outcomes.candidates.items():
        for candidate in candidates:
            if candidate.image_id:
                drawings.setdefault((candidate.label, candidate.image_id), set()).add(
                    outcomes.world.picture(id).drawing
                )
    alarms = sum(len(each) - 1 for each in drawings.values())
    arrived = sum(map(outcomes.proposed, planted))

    def found(picture: WorldPicture) -> bool:
        return bool(
            {key for key in outcomes.keys(picture) if key in outcomes.keys(outcomes.world.picture(picture.copy_of))}
        ) or ("dup.exact" in outcomes.reasons(picture))

    return _row(outcomes, "exact copies", planted, arrived=arrived, found=found, alarms=alarms)


def _conflict_row(outcomes: _Outcomes) -> PlantedRow:
    planted = [
        p for p in outcomes.world.of_kind("exact_copy") if p.listed_as != outcomes.world.picture(p.copy_of).listed_as
    ]
    known = {p.id for p in planted} | {p.copy_of for p in planted}
    alarms = sum(p.id not in known for p in outcomes.noticed_items(("bad.conflict",)))
    arrived = sum(map(outcomes.arrived, planted))
    return _row(
        outcomes,
        "one picture under two labels",
        planted,
        arrived=arrived,
        found=lambda p: outcomes.noticed(p, ("bad.conflict",)),
        alarms=alarms,
    )


def _near_row(outcomes: _Outcomes) -> PlantedRow:
    planted = outcomes.world.of_kind("near_copy")
    known = {p.id for p in planted} | {p.copy_of for p in planted}
    alone = [
        p for p in outcomes.noticed_items(("dup.near",)) if len(set(outcomes.keys(p))) < 2
    ]  # not two sizes of itself
    alarms = sum(p.id not in known for p in alone)

    def found(picture: WorldPicture) -> bool:  # either of the two may be the one that goes
        return any(outcomes.noticed(p, ("dup.near",)) for p in (picture, outcomes.world.picture(picture.copy_of)))

    return _row(
        outcomes, "near copies", planted, arrived=sum(map(outcomes.arrived, planted)), found=found, alarms=alarms
    )


def _judged_row(
    outcomes: _Outcomes, name: str, kind: Kind, reasons: tuple[str, ...], *, also: tuple[str, ...] = ()
) -> PlantedRow:
    planted = outcomes.world.of_kind(kind)
    alarms = sum(picture.kind in RIGHT for picture in outcomes.noticed_items(reasons))
    return _row(
        outcomes,
        name,
        planted,
        arrived=sum(map(outcomes.arrived, planted)),
        found=lambda p: outcomes.noticed(p, (*reasons, *also)),
        alarms=alarms,
    )


def _surprises(outcomes: _Outcomes) -> Iterable[str]:
    """Pictures that harvest treated otherwise than the world says; what it never came to try is none."""
    for picture in outcomes.world.pictures:
        fault = FAULTS.get(picture.fault)
        expected = {picture.reason, *(fault.also if fault else ())} | ({"dup.exact"} if not picture.reason else set())
        if odd := outcomes.reasons(picture) - expected:
            got = ", ".join(sorted(reason or "kept" for reason in odd))
            yield f"{picture.id}: expected {picture.reason or 'kept'}, got {got}"
