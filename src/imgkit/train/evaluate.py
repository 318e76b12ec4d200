"""Score a trained model on labelled pictures, through the same code as a prediction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from imgkit.errors import IntegrityError
from imgkit.progress import Progress
from imgkit.train.classifier import Classifier
from imgkit.train.metrics import Answers, Floats, Scores, score
from imgkit.train.picture import Picture
from imgkit.train.probing import group_numbers, numbers_of
from imgkit.vision.decode import UnreadablePictureError

UNREADABLE_SHARE = 0.001  # of pictures that were readable a moment ago; more means that the disk is failing


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """N pictures with what the model says: ``logits`` (N, K), calibrated ``answers`` and their ``scores``.

    ``unknown`` counts the pictures that look like none of the labels to the model.
    """

    pictures: tuple[Picture, ...]
    logits: Floats
    answers: Answers
    scores: Scores
    unknown: int

    def without(self, groups: Collection[str], labels: Sequence[str]) -> Scores | None:
        """Return the scores on the pictures that belong to none of ``groups``; None where none is left."""
        kept = np.array([picture.group not in groups for picture in self.pictures])
        if not kept.any():
            return None
        part = Answers(
            probabilities=self.answers.probabilities[kept],
            targets=self.answers.targets[kept],
            groups=self.answers.groups[kept],
        )
        return score(part, labels)


def evaluate(classifier: Classifier, pictures: Sequence[Picture], *, progress: Progress, title: str) -> Evaluated:
    """Score ``classifier`` on ``pictures``, whose labels must be labels of the model; order does not matter.

    Raises:
        IntegrityError: pictures that were readable when the folder was scanned no longer are.
    """
    readable, rows, unknown = [], [], 0
    by_path = {picture.path: picture for picture in pictures}
    for path, outcome in classifier.answer([picture.path for picture in pictures], progress=progress, title=title):
        if not isinstance(outcome, UnreadablePictureError):
            readable.append(by_path[path])
            rows.append(outcome.logits)
            unknown += not classifier.knows(outcome)
    lost = len(pictures) - len(readable)
    if lost > max(1, UNREADABLE_SHARE * len(pictures)) or not readable:
        raise IntegrityError(
            f"{lost} of {len(pictures)} pictures could be read at the start and no longer can. The model is saved. "
            "Check the disk, then run the same command again."
        )
    labels = classifier.about.labels
    logits = np.stack(rows)
    answers = Answers(
        probabilities=classifier.probabilities(logits),
        targets=numbers_of(readable, labels),
        groups=group_numbers(readable),
    )
    return Evaluated(
        pictures=tuple(readable),
        logits=logits,
        answers=answers,
        scores=score(answers, labels),
        unknown=unknown,
    )
