"""Turn findings into one verdict per picture, and verdicts into a set by policy. Pure: values in, values out."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from imgkit.curate.checks import CHECK_REASONS, CHECKS, describe
from imgkit.curate.checks.check import (
    EVEN,
    SHOWN_FROM,
    SURE,
    probability_as_suspicion,
    suspicion_as_probability,
)
from imgkit.curate.checks.junk import shift, strongest_of
from imgkit.curate.config import Policy
from imgkit.curate.pictures import ItemPicture
from imgkit.manifest import Decision, Finding, Judgement, Standing
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.standings import standing_of

NOTHING: Final = "nothing unusual"
JUNK: Final = "junk"
USUAL: Final = 0.02  # probability of a picture that no model was asked about, where nothing else is known
SMALLEST: Final = 1e-9
MENTIONED_FROM: Final = 0.05  # probability by one check from which its reason is given
MOST_MENTIONED: Final = 3


def judge(
    pictures: Sequence[ItemPicture], findings: Mapping[str, Sequence[Finding]], groups: Sequence[str]
) -> list[Judgement]:
    """Return the machine's verdict on each picture, in their order.

    Certain ones are rejected: unreadable files, copies of a better picture, flat ones. A picture under several labels
    is a suspect until a person says which, and strongly so under a label that its neighbours do not have; a placeholder
    is one, too. The findings of the other checks are independent reasons for throwing a picture out; together they give
    the probability that a person would. From ``SHOWN_FROM`` on, or where a check reaches its threshold, it is a suspect
    whose score is the suspicion that stands for the probability; the check that is most certain names the reason.

    Args:
        pictures: N pictures.
        findings: by check; at most one per item and check.
        groups: N names of groups of copies and related pictures, "" for alone.

    Raises:
        ValueError: findings of a check that is not in the table.
    """
    if unknown := sorted(set(findings) - set(CHECKS)):
        raise ValueError(f"findings of {', '.join(unknown)}: not in the table of checks, so nothing can be judged")
    by_item: dict[ItemKey, dict[str, Finding]] = {}
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
        if policy == "strict":
            return False
        reason = CHECK_REASONS.get(judgement.reason)
        if reason is not None and reason.in_set_up_to is not None:
            return judgement.score <= reason.in_set_up_to
        return policy == "keep" or judgement.score < SURE

    return rule


def standing(judgement: Judgement, own: Decision | None, keeps: Callable[[Judgement], bool]) -> Standing:
    """Return what decides about a picture: the verdict, whether ``keeps`` takes it, and the picture's own decision."""
    return standing_of(replace(judgement, included=keeps(judgement)), own)


def with_copies(judgements: Sequence[Judgement], groups: Sequence[Sequence[int]]) -> list[Judgement]:
    """Return the verdicts with the probability, and its reason, of the best of its group for each copy.

    A copy that is also found under another label, where another is not, keeps its own.

    Args:
        judgements: N verdicts.
        groups: indices of copies of one picture, the best first.
    """
    found = list(judgements)
    for group in groups:
        best = judgements[group[0]]
        for one in group[1:]:
            if found[one].check not in _OF_THE_PLACE:
                found[one] = replace(found[one], probability=best.probability, why=best.why)
    return found


_OF_THE_PLACE: Final = ("conflict", "placeholder")  # checks that say something of a picture and the label it is under


def _judgement(picture: ItemPicture, found: Mapping[str, Finding], group: str) -> Judgement:
    suspicions = _suspicions(found)
    together = _together(suspicions.values())
    together = together if JUNK in found else max(together, USUAL)
    undecided = Judgement(
        label=picture.label,
        image_id=picture.image_id,
        verdict="keep",
        group=group,
        probability=_rounded(together),
        why=_why(found, suspicions),
    )
    for name, check in CHECKS.items():
        if name in found and check.settle and (settled := check.settle(picture, found)):
            detail = settled.detail or describe(found[name])
            return replace(
                undecided,
                verdict=settled.verdict,
                reason=settled.reason or _reason(found[name]),
                check=name,
                score=settled.score,
                detail=detail,
                suggested=settled.suggested,
                probability=_rounded(1 - (1 - together) * (1 - settled.junk)),
                why=detail if settled.junk >= SHOWN_FROM else undecided.why,
            )
    score = round(probability_as_suspicion(_together(suspicions.values())), 4) if suspicions else 0.0
    flagged = [name for name in suspicions if found[name].score >= found[name].threshold]
    if not flagged and score < EVEN:
        return replace(undecided, score=score)
    worst = max(flagged or suspicions, key=lambda name: (suspicions[name], name))
    return replace(
        undecided,
        verdict="suspect",
        reason=_reason(found[worst]),
        check=worst,
        score=score,
        detail=describe(found[worst]) if worst != JUNK else undecided.why,
        suggested=str(found[worst].detail.get("suggested", "")),
    )


def _together(suspicions: Iterable[float]) -> float:
    """Return the probability that at least one of independent suspicions is right, 0 without any."""
    kept = 1.0
    for suspicion in suspicions:
        kept *= 1 - suspicion_as_probability(suspicion)
    return 1 - kept


def _rounded(probability: float) -> float:
    """Return a probability more than 0 and less than 1, with six digits that count at either end."""
    if probability < 0.5:
        return max(float(f"{probability:.6g}"), SMALLEST)
    return 1 - max(float(f"{1 - probability:.6g}"), SMALLEST)


def _why(found: Mapping[str, Finding], suspicions: Mapping[str, float]) -> str:
    """Return what speaks for throwing a picture out, the strongest first."""
    told: list[str] = []
    for name in sorted(suspicions, key=lambda each: (-suspicions[each], each)):
        if name == JUNK:
            told += [describe(found[each]) if each in found else words for each, words in strongest_of(found[name])]
            told += ["like what a person rejected"] if shift(found[name]) >= 1 else []
        elif suspicion_as_probability(suspicions[name]) >= MENTIONED_FROM:
            told.append(describe(found[name]))
    return "; ".join(dict.fromkeys(told[:MOST_MENTIONED])) or NOTHING


def _reason(finding: Finding) -> str:
    """Return the reason that a finding names, else that of its check."""
    reason = CHECKS[finding.check].reason
    return str(finding.detail.get("reason", reason.code if reason else ""))


def _suspicions(found: Mapping[str, Finding]) -> dict[str, float]:
    """Return the suspicion of each check that has a scale, 0 to 1, as others shift it."""
    scales = {name: check.scale for name in found if (check := CHECKS[name]).scale is not None}
    shifts = {name: check.shift(one) for name, one in found.items() if (check := CHECKS[name]).shift is not None}
    return {
        name: _shifted(scale.of(found[name].score), sum(by for other, by in shifts.items() if other != name))
        for name, scale in scales.items()
        if scale is not None
    }


def _shifted(suspicion: float, by: float) -> float:
    """Return a suspicion moved by log-odds, which are cut at 20."""
    if not by:
        return suspicion
    odds = min(suspicion, 1 - 1e-9) / (1 - min(suspicion, 1 - 1e-9)) * math.exp(max(-20.0, min(20.0, by)))
    return odds / (1 + odds)
