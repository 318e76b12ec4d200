"""Turn findings into one verdict per picture, and verdicts into a set by policy. Pure: values in, values out."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from imgkit.curate.config import Policy
from imgkit.curate.describe import describe
from imgkit.curate.pictures import Key, Picture
from imgkit.manifest import Finding, Judgement

SURE: Final = 0.9
"""Suspicion from which "suggest" leaves a suspect out. The scales below aim at nine bad ones of ten; they were
chosen on the photographs of ``benchmarks/curate.py``, so on other pictures this is an aim and not a measurement."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How a check's score becomes a suspicion, 0 to 1 with 1 worst: 1/2 at ``even``, 0.9 at ``sure``."""

    even: float
    sure: float

    def of(self, score: float) -> float:
        """Return the suspicion, 0 to 1."""
        steepness = math.log(SURE / (1 - SURE)) / (self.sure - self.even)
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, steepness * (score - self.even)))))


SUSPICIONS: Final[dict[str, Suspicion]] = {
    "readable": Suspicion(even=0.02, sure=0.05),
    "label": Suspicion(even=0.45, sure=0.6),
    "offtopic": Suspicion(even=3.75, sure=4.5),
    "not_photo": Suspicion(even=3.0, sure=6.0),
    "text": Suspicion(even=3.0, sure=6.0),
    "quality": Suspicion(even=2.0, sure=8.0),
    "junk": Suspicion(even=1.0, sure=4.0),
}
"""The checks that make suspects, each with two points of its scale, see ``SURE``."""

REASONS_OF: Final[dict[str, str]] = {
    "readable": "img.truncated",
    "label": "bad.label",
    "offtopic": "bad.offtopic",
    "not_photo": "bad.not_photo",
    "text": "bad.not_photo",
    "quality": "bad.quality",
    "junk": "bad.offtopic",  # where the finding does not name one
}


def judge(
    pictures: Sequence[Picture], findings: Mapping[str, Sequence[Finding]], groups: Sequence[str]
) -> list[Judgement]:
    """Return the machine's verdict on each picture, in their order.

    Certain ones are rejected: unreadable files, copies of a better picture, flat ones. A picture under several labels
    is a suspect until a person says which, and strongly so under a label that its neighbours do not have; a placeholder
    is one, too. Every other finding at or above its threshold makes a suspect whose score is the suspicion; the check
    that is most certain names the reason.

    Args:
        pictures: N pictures.
        findings: by check; at most one per item and check.
        groups: N names of groups of copies and kin, "" for alone.
    """
    by_item: dict[Key, dict[str, Finding]] = {}
    for found in findings.values():
        for one in found:
            by_item.setdefault((one.label, one.image_id), {})[one.check] = one
    return [
        _judgement(picture, by_item.get(picture.key, {}), group)
        for picture, group in zip(pictures, groups, strict=True)
    ]


def in_set(policy: Policy) -> Callable[[Judgement], bool]:
    """Return the rule that says whether a picture that nobody decided about is in the set.

    A picture under several labels is in it under one of them at most, and only where its neighbours leave no doubt
    which: it would teach the model both. A placeholder is never in it before a person decides.
    """

    def rule(judgement: Judgement) -> bool:
        if judgement.verdict != "suspect":
            return judgement.verdict == "keep"
        if policy == "strict" or judgement.reason == "img.placeholder":
            return False
        if judgement.reason == "bad.conflict":
            return judgement.score <= round(1 - SURE, 4)
        return policy == "keep" or judgement.score < SURE

    return rule


def _judgement(picture: Picture, found: Mapping[str, Finding], group: str) -> Judgement:
    for certain in (_unreadable, _exact, _near, _placeholder, _conflict, _flat):
        if judgement := certain(picture, found, group):
            return judgement
    suspicions = {name: SUSPICIONS[name].of(one.score) for name, one in found.items() if name in SUSPICIONS}
    suspicions |= {name: _moved(suspicions[name], found) for name in suspicions if name != "junk"}
    flagged = [name for name in suspicions if found[name].score >= found[name].threshold]
    if not flagged:
        return Judgement(
            label=picture.label,
            image_id=picture.image_id,
            verdict="keep",
            score=round(max(suspicions.values(), default=0.0), 4),
            group=group,
        )
    worst = max(flagged, key=lambda name: (suspicions[name], name))
    suggested = found[worst].detail.get("suggested", "")
    return Judgement(
        label=picture.label,
        image_id=picture.image_id,
        verdict="suspect",
        reason=str(found[worst].detail.get("reason", REASONS_OF[worst])),
        check=worst,
        score=round(suspicions[worst], 4),
        detail=describe(found[worst]),
        suggested=str(suggested),
        group=group,
    )


def _moved(suspicion: float, found: Mapping[str, Finding]) -> float:
    """Return a suspicion after what a person decided about other pictures, which the check ``junk`` has learnt."""
    learnt = found["junk"].detail.get("learnt", 0.0) if "junk" in found else 0.0
    if not isinstance(learnt, float) or not learnt:
        return suspicion
    odds = min(suspicion, 1 - 1e-9) / (1 - min(suspicion, 1 - 1e-9)) * math.exp(max(-20.0, min(20.0, learnt)))
    return odds / (1 + odds)


def _rejected(picture: Picture, reason: str, finding: Finding, group: str, detail: str) -> Judgement:
    return Judgement(
        label=picture.label,
        image_id=picture.image_id,
        verdict="reject",
        reason=reason,
        check=finding.check,
        score=1.0,
        detail=detail,
        group=group,
    )


def _unreadable(picture: Picture, found: Mapping[str, Finding], group: str) -> Judgement | None:
    if (one := found.get("readable")) and "missing_share" not in one.detail:
        return _rejected(picture, "img.truncated", one, group, describe(one))
    return None


def _exact(picture: Picture, found: Mapping[str, Finding], group: str) -> Judgement | None:
    if one := found.get("exact"):
        return _rejected(picture, "dup.exact", one, group, describe(one))
    return None


def _near(picture: Picture, found: Mapping[str, Finding], group: str) -> Judgement | None:
    if one := found.get("near"):
        return _rejected(picture, "dup.near", one, group, describe(one))
    return None


def _placeholder(picture: Picture, found: Mapping[str, Finding], group: str) -> Judgement | None:
    one = found.get("placeholder")
    if one is None:
        return None
    return Judgement(
        label=picture.label,
        image_id=picture.image_id,
        verdict="suspect",
        reason="img.placeholder",
        check=one.check,
        score=1.0,
        detail=describe(one),
        group=group,
    )


def _conflict(picture: Picture, found: Mapping[str, Finding], group: str) -> Judgement | None:
    one = found.get("conflict")
    if one is None:
        return None
    if one.detail.get("decided"):
        return _rejected(picture, "bad.conflict", one, group, describe(one))
    side = found.get("side")
    belongs_to = str(side.detail["belongs_to"]) if side else ""
    at_home = side is not None and belongs_to == picture.label_now
    return Judgement(
        label=picture.label,
        image_id=picture.image_id,
        verdict="suspect",
        reason="bad.conflict",
        check=one.check,
        score=round(1 - side.score, 4) if side is not None and at_home else 1.0,
        detail=f"{describe(one)}; {describe(side)}" if side else describe(one),
        suggested="" if at_home else belongs_to,
        group=group,
    )


def _flat(picture: Picture, found: Mapping[str, Finding], group: str) -> Judgement | None:
    one = found.get("quality")
    measured = one.detail.get("measured") if one else None
    if one and isinstance(measured, dict) and "flat" in measured:
        return _rejected(picture, "img.blank", one, group, "one flat colour")
    return None
