"""Words of title, tags, addresses and file name that tell art, text and goods: a lexicon that a person can extend."""

from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import Check, Detector
from imgkit.curate.checks.not_photo import NOT_PHOTO
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext

THRESHOLD: Final = 2.0  # log-odds
USUAL_FROM: Final = 0.3  # share of a label's pictures from which a word says nothing about any of them
FEWEST: Final = 8  # pictures of a label; of fewer nobody knows which words are usual for it


class WordsDetail(TypedDict):
    """What was found, such as 'clip art', and where: "title", "tags", "page", "address" or "file name"."""

    found: list[str]
    where: list[str]


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture about which words say that it is no photograph of the subject.

    The score is log-odds. Words of the label's own name say nothing, and neither do those that a third of the label's
    pictures have.
    """
    import numpy as np

    from imgkit.curate.ranking import lexicon

    words = lexicon.read_lexicon(context.config.data, without=context.config.allow)
    measured = np.zeros(len(context.pictures))
    hits = [lexicon.hits_of(picture, words) for picture in context.pictures]
    usual = lexicon.usual_words([picture.label_now for picture in context.pictures], hits, USUAL_FROM, FEWEST)
    found = []
    for one, picture in enumerate(context.pictures):
        telling = [hit for hit in hits[one] if (picture.label_now, hit.text) not in usual]
        if telling:
            measured[one] = lexicon.log_odds(telling)
            detail: WordsDetail = {"found": [hit.text for hit in telling], "where": [hit.where for hit in telling]}
            found.append(CHECK.finding(picture, round(float(measured[one]), 3), detail))
    context.measured[CHECK.name] = measured
    return found


def describe(finding: Finding) -> str:
    """Quote the words, and say where they stand."""
    found, where = (finding.detail.get(name) for name in ("found", "where"))
    if not isinstance(found, list) or not isinstance(where, list):
        return "words say that it is no photograph of the subject"
    told: dict[str, list[str]] = {}
    for text, place in zip(found, where, strict=False):
        told.setdefault(str(place), []).append(f"“{text}”")
    return ", ".join(f"{place} says {' and '.join(texts)}" for place, texts in told.items())


CHECK = Check(
    name="words",
    title="words",
    detail=WordsDetail,
    threshold=THRESHOLD,
    detector=Detector(weight=1.0, start=0.7, gain=4.0, usual=0.0, reason=NOT_PHOTO, words="its words say so"),
    describe=describe,
    run=run,
)
