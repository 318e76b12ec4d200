"""What a check says about itself: its name and words, how it runs, and how its findings are judged and told."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, is_typeddict

from imgkit.manifest import Finding
from imgkit.reasons import LISTED

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext
    from imgkit.curate.pictures import ItemPicture

D = TypeVar("D", bound=Mapping[str, object])

SURE: Final = 0.9
"""Suspicion from which "suggest" leaves a suspect out."""
CERTAIN: Final = 0.999
"""Probability that a person would throw out what no picture is: an unreadable file, one flat colour, a placeholder."""
EVEN: Final = 0.5
"""Suspicion from which a picture is shown as a suspect."""
OUT_FROM: Final = 0.6
"""Probability that a person would throw a picture out from which "suggest" leaves it out: the suspicion ``SURE``. It
was set on development harvests; ``benchmarks/curate_harvests.py`` prints what it costs on others."""
SHOWN_FROM: Final = 0.1
"""Probability from which a picture is shown as a suspect: the suspicion ``EVEN``."""


def log_odds_of(probability: float) -> float:
    """Return the log-odds of a probability between 0 and 1."""
    return math.log(probability / (1 - probability))


def probability_of(log_odds: float) -> float:
    """Return the probability, 0 to 1; log-odds are cut at 50."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))


_STRETCH: Final = (log_odds_of(OUT_FROM) - log_odds_of(SHOWN_FROM)) / (log_odds_of(SURE) - log_odds_of(EVEN))


def suspicion_as_probability(suspicion: float) -> float:
    """Return the probability that stands for a suspicion: ``SHOWN_FROM`` for ``EVEN``, ``OUT_FROM`` for ``SURE``."""
    held = min(max(suspicion, 1e-12), 1 - 1e-12)
    return probability_of(log_odds_of(SHOWN_FROM) + _STRETCH * log_odds_of(held))


def probability_as_suspicion(probability: float) -> float:
    """Return the suspicion that stands for a probability; the inverse of ``suspicion_as_probability``."""
    held = min(max(probability, 1e-12), 1 - 1e-12)
    return probability_of((log_odds_of(held) - log_odds_of(SHOWN_FROM)) / _STRETCH)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How a check's score becomes a suspicion, 0 to 1 with 1 worst: 1/2 at ``even``, 0.9 at ``sure``."""

    even: float
    sure: float

    def of(self, score: float) -> float:
        """Return the suspicion, 0 to 1."""
        return probability_of(log_odds_of(SURE) / (self.sure - self.even) * (score - self.even))


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why a picture is not in the set, for code and for people.

    ``phrase`` completes "not kept: …", and is "" where :data:`imgkit.reasons.LISTED` has it. ``column`` is the heading
    above the counts of its suspects on the command line, "" for no column. ``key`` and ``choice`` are the letter and
    the words with which a person rejects a picture for this reason on the review page, "" where that is not offered.
    ``in_set_up_to`` is the largest suspicion with which a picture that nobody decided about can be in the set, whatever
    the policy; None leaves it to the policy.

    Raises:
        ValueError: no phrase, or two.
    """

    code: str
    phrase: str = ""
    column: str = ""
    key: str = ""
    choice: str = ""
    in_set_up_to: float | None = None

    def __post_init__(self) -> None:
        if self.code in LISTED and self.phrase:
            raise ValueError(f"the phrase of the reason {self.code} is in imgkit.reasons already: leave it out")
        if self.code not in LISTED and not self.phrase:
            raise ValueError(f"the reason {self.code} has no phrase: say what completes 'not kept: …'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """How much a check says about junk, whatever its findings: its part of the log-odds that a picture is junk.

    The part is ``weight`` · softplus(``gain`` · (score - ``start``)) / ``gain``: nothing much below ``start``, and from
    there on ``weight`` for each unit of the score. A picture that was not measured counts as one of score ``usual``.
    ``reason`` is why a picture is junk to which this detector contributes most, ``words`` say so; ``{}`` stands for
    what the finding says.
    """

    weight: float
    start: float
    usual: float
    gain: float
    reason: Reason
    words: str

    def part_of(self, score: float) -> float:
        """Return the part of the log-odds."""
        risen = self.gain * (score - self.start)
        return self.weight * (max(risen, 0.0) + math.log1p(math.exp(-abs(risen)))) / self.gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A verdict that a check gives by itself; ``reason`` and ``detail`` are those of its finding where they are "".

    ``junk`` is the probability by this alone that a person would throw the picture out, whatever it shows.
    """

    verdict: Literal["reject", "suspect"]
    reason: str = ""
    score: float = 1.0
    detail: str = ""
    suggested: str = ""
    junk: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Generic[D]):
    """One check of all pictures; each file of this package declares one as ``CHECK``.

    Attributes:
        name: that of its file.
        title: a few words for the review page.
        detail: the ``TypedDict`` of what a finding holds as evidence.
        threshold: the score from which a picture counts as bad.
        describe: says a finding to people; it meets findings of earlier versions too.
        run: returns at most one finding per item, only from a reporting limit on. Heavy libraries are imported inside,
            so that the command line can read the table of checks.
        version: raise it when the same pictures would get other findings.
        reason: why its pictures are not in the set; None for a check that judges nothing by itself.
        scale: makes a suspicion of the score, so that findings from the threshold on make suspects.
        settle: gives a verdict where the finding leaves no choice, None where it does; earlier checks come first.
        needs_model: whether it is skipped when there are no features.
        kind: what ``--allow`` calls that which it finds, so that it is skipped where that is wanted; "" for no such.
        no_example: pictures that it flags have no right label, and are no examples of the one they have.
        detector: its part in the ranking of junk.
        shift: returns how far a finding moves the suspicions of the other checks, in log-odds.

    Raises:
        ValueError: it is described by half.
    """

    name: str
    title: str
    detail: type[D]
    threshold: float
    describe: Callable[[Finding], str]
    run: "Callable[[CheckContext], Sequence[Finding]]"
    version: int = 1
    reason: Reason | None = None
    scale: Suspicion | None = None
    settle: "Callable[[ItemPicture, Mapping[str, Finding]], Settled | None] | None" = None
    needs_model: bool = False
    kind: str = ""
    no_example: bool = False
    detector: Detector | None = None
    shift: Callable[[Finding], float] | None = None

    def __post_init__(self) -> None:
        if not self.name or not self.title:
            raise ValueError("it has no name or no title")
        if not is_typeddict(self.detail):
            raise ValueError(f"its detail is {self.detail!r} and not a TypedDict")
        if (self.scale is None and self.settle is None) != (self.reason is None):
            raise ValueError("a reason goes together with a scale or a rule that settles, and neither goes alone")

    def finding(self, picture: "ItemPicture", score: float, detail: D, *, model: int = 0) -> Finding:
        """Return a finding about a picture; ``model`` is the version of the model that was asked.

        Raises:
            TypeError: the detail holds what its type does not declare.
        """
        declared = self.detail.__required_keys__ | self.detail.__optional_keys__  # type: ignore[attr-defined]
        if extra := sorted(detail.keys() - declared):
            raise TypeError(f"the check {self.name} does not declare {', '.join(extra)} in {self.detail.__name__}")
        return Finding(
            label=picture.label,
            image_id=picture.image_id,
            check=self.name,
            score=score,
            threshold=self.threshold,
            detail=dict(detail),
            version=self.version + model,
        )


AnyCheck = Check[Any]


def listed(value: object) -> str:
    """Return the parts of a detail joined by "and", "" for what is no list."""
    return " and ".join(str(each) for each in value) if isinstance(value, list | tuple) else ""


def percent(value: object) -> str:
    """Return a share of a detail as a percentage, "?" for what is no number."""
    return f"{value:.0%}" if isinstance(value, int | float) else "?"
