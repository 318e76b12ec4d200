"""Estimate the share of bad pictures in a set from a random sample that a person judged."""

import math
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from imgkit.manifest import Audit, Manifest, Question, ReviewAction, ReviewLog

INTERIM_SIZES: Final = (100, 200, 300, 500, 1000)
"""Numbers of answers at which the result may be read (interim analyses).

Stopping at any other time biases the interval.
"""

CATCH_SHARE: Final = 0.05  # known bad pictures mixed in, per sampled picture
ALPHA: Final = 0.05
_GOOD, _UNSURE = "keep", "unsure"

AuditAnswers = Mapping[tuple[str, str], str]
"""(label, image id) to keep, reject, relabel or unsure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareEstimate:
    """An estimated share of bad pictures, 0 to 1, with its two-sided 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The result of an audit at one of its interim analyses.

    ``sampled`` pictures of ``unseen`` were judged, ``bad`` of them bad; ``unsure`` answers count in neither.
    ``unseen_noise`` is the share of bad pictures among those that nobody had looked at before the audit;
    ``noise_left`` the share in the whole set of ``kept`` pictures once the found ones are out, taking the pictures
    that a person decided about as right. ``corrected`` divides ``noise_left`` by the reviewer's own sensitivity,
    ``trials_found`` of ``trials``; None without trials, or where none was found.
    """

    kept: int
    unseen: int
    sampled: int
    bad: int
    unsure: int
    unseen_noise: ShareEstimate
    noise_left: ShareEstimate
    trials: int
    trials_found: int
    corrected: float | None

    @property
    def sensitivity(self) -> float | None:
        """The share of known bad pictures that the reviewer found, None without trials."""
        return self.trials_found / self.trials if self.trials else None

    def as_json(self) -> dict[str, object]:
        """Return the estimate as values that JSON can hold."""
        return {**asdict(self), "sensitivity": self.sensitivity}


def draw(
    unseen: Sequence[tuple[str, str]], known_bad: Sequence[tuple[str, str]], *, seed: int, size: int = INTERIM_SIZES[-1]
) -> tuple[Question, ...]:
    """Return the questions of an audit in the order shown: a sample without replacement, known bad ones in between.

    Args:
        unseen: (label, image id) of kept pictures that no person decided about, in any order.
        known_bad: pictures that a person rejected; some are shown again to measure the reviewer's sensitivity.
        seed: the same input and seed give the same questions.
        size: the longest sample.
    """
    chance = random.Random(seed)
    sample = chance.sample(sorted(unseen), min(size, len(unseen)))
    questions = [Question(label=label, image_id=image_id, trial="sample") for label, image_id in sample]
    catches = chance.sample(sorted(known_bad), min(len(known_bad), round(CATCH_SHARE * len(sample))))
    # one in each stretch of equal length, so that every interim analysis covers its share of them
    stretch = len(sample) / max(1, len(catches))
    for n in reversed(range(len(catches))):
        label, image_id = catches[n]
        place = int(n * stretch + chance.random() * stretch)
        questions.insert(place, Question(label=label, image_id=image_id, trial="catch"))
    return tuple(questions)


def interim_sizes(size: int) -> tuple[int, ...]:
    """Return the numbers of answers at which an audit of ``size`` pictures may be read; the last is ``size``."""
    return (*(interim for interim in INTERIM_SIZES if interim < size), size) if size else ()


def last_interim(audit: Audit, answers: AuditAnswers) -> int:
    """Return the largest interim size whose sampled pictures all have an answer, 0 before the first."""
    sample = [one for one in audit.questions if one.trial == "sample"]
    answered = 0
    while answered < len(sample) and (sample[answered].label, sample[answered].image_id) in answers:
        answered += 1
    return max((interim for interim in interim_sizes(len(sample)) if interim <= answered), default=0)


def estimate(audit: Audit, answers: AuditAnswers) -> Estimate | None:
    """Return the result of the audit at its last interim analysis, None before the first."""
    interim = last_interim(audit, answers)
    if not interim:
        return None
    given: dict[str, list[str]] = {"sample": [], "catch": []}
    for question in audit.questions:
        if question.trial == "sample" and len(given["sample"]) == interim:
            break
        answer = answers.get((question.label, question.image_id))
        if answer is not None:
            given[question.trial].append(answer)
    judged = [answer for answer in given["sample"] if answer != _UNSURE]
    bad = sum(answer != _GOOD for answer in judged)
    trials = [answer for answer in given["catch"] if answer != _UNSURE]
    found = sum(answer != _GOOD for answer in trials)
    left = noise_left(bad=bad, sampled=len(judged), unseen=audit.unseen, kept=audit.kept)
    return Estimate(
        kept=audit.kept,
        unseen=audit.unseen,
        sampled=len(judged),
        bad=bad,
        unsure=interim - len(judged),
        unseen_noise=unseen_noise(bad=bad, sampled=len(judged), unseen=audit.unseen),
        noise_left=left,
        trials=len(trials),
        trials_found=found,
        corrected=min(1.0, left.value * len(trials) / found) if found else None,
    )


def latest(manifest: Manifest) -> Estimate | None:
    """Return the result of the newest audit of a data folder, None before its first interim analysis."""
    log = ReviewLog(manifest)
    audit = log.last_audit()
    return estimate(audit, answers_of(log.actions(), audit.id)) if audit else None


def answers_of(actions: Sequence[ReviewAction], audit: int) -> AuditAnswers:
    """Return the answers to an audit that are in force: the last one to each question, those taken back left out."""
    taken_back: set[str] = set()
    for action in reversed(actions):  # newest first, so that an undo that was itself undone has no effect
        if action.kind == "undo" and action.key not in taken_back:
            taken_back.add(action.undoes)
    return {
        (action.label, action.image_id): action.answer
        for action in actions
        if action.kind == "answer" and action.audit == audit and action.key not in taken_back
    }


def as_text(found: Estimate) -> str:
    """Return the noise left with its interval: "1.2 % (0.4 to 3.1 %)"."""
    share = found.noise_left
    return f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f} %)"


def unseen_noise(*, bad: int, sampled: int, unseen: int) -> ShareEstimate:
    """Return the share of bad pictures among ``unseen`` ones of which ``sampled`` were judged at random."""
    if not sampled or not unseen:
        return ShareEstimate(value=0.0, low=0.0, high=1.0 if unseen else 0.0)
    low, high = hypergeometric_counts(bad, sampled, unseen)
    return ShareEstimate(value=bad / sampled, low=low / unseen, high=high / unseen)


def noise_left(*, bad: int, sampled: int, unseen: int, kept: int) -> ShareEstimate:
    """Return the share of bad pictures in a set of ``kept`` once the ``bad`` ones found are taken out."""
    before = unseen_noise(bad=bad, sampled=sampled, unseen=unseen)
    rest = kept - bad
    if rest <= 0:
        return ShareEstimate(value=0.0, low=0.0, high=0.0)
    return ShareEstimate(
        value=before.value * (unseen - sampled) / rest,
        low=max(0.0, round(before.low * unseen) - bad) / rest,
        high=max(0.0, round(before.high * unseen) - bad) / rest,
    )


def hypergeometric_counts(bad: int, sampled: int, population: int) -> tuple[int, int]:
    """Return the exact 95 % interval for how many of ``population`` are bad when ``bad`` of ``sampled`` are.

    Sampled without replacement. A count belongs to the interval when neither tail of the hypergeometric distribution
    with that count is lighter than 2.5 %; for a large population this is the interval of Clopper and Pearson.

    Source: Buonaccorsi 1987, "A note on confidence intervals for proportions in finite populations".
    """
    counts = range(bad, population - (sampled - bad) + 1)
    # the chance of as many bad ones or more grows with the count, that of as many or fewer falls
    low = bisect_left(counts, ALPHA / 2, key=lambda count: 1 - _at_most(bad - 1, sampled, count, population))
    high = bisect_left(counts, True, key=lambda count: _at_most(bad, sampled, count, population) < ALPHA / 2)
    return counts[low] if bad else 0, counts[min(high, len(counts)) - 1]


def _at_most(bad: int, sampled: int, count: int, population: int) -> float:
    """Return the chance of ``bad`` or fewer bad ones in a sample from a population that holds ``count`` of them."""
    all_samples = _log_choose(population, sampled)
    fewest, most = max(0, sampled - (population - count)), min(bad, count, sampled)
    return math.fsum(
        math.exp(_log_choose(count, k) + _log_choose(population - count, sampled - k) - all_samples)
        for k in range(fewest, most + 1)
    )


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
