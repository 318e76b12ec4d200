"""Score a trained model on labelled pictures, through the same code as a prediction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgkit.errors import IntegrityError, UsageError
from imgkit.progress import Progress, Silent
from imgkit.train.classifier import Classifier, load_classifier
from imgkit.train.folder import scan
from imgkit.train.metrics import Answers, Floats, Scores, score
from imgkit.train.picture import Picture, Split
from imgkit.train.probing import group_numbers, numbers_of
from imgkit.vision.embeddings import embed_readable

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


def evaluate(
    classifier: Classifier, pictures: Sequence[Picture], *, cache: Path, progress: Progress, title: str
) -> Evaluated:
    """Score ``classifier`` on ``pictures``, whose labels must be labels of the model; order does not matter.

    Args:
        classifier: the model.
        pictures: with a label each.
        cache: folder for what this very network saw in them, by content: the same question is answered at once.
        progress: told of the pictures that are not in the cache.
        title: what ``progress`` calls the work.

    Raises:
        IntegrityError: pictures that were readable when the folder was scanned no longer are.
    """
    embedded = embed_readable(
        [picture.path for picture in pictures],
        classifier.backbone,
        cache=cache,
        keys=[picture.sha256 for picture in pictures],
        progress=progress,
        title=title,
    )
    kept = [place for place in range(len(pictures)) if place not in embedded.unreadable]
    readable = [pictures[place] for place in kept]
    said = classifier.answers(embedded.features[kept])
    unknown = sum(not classifier.knows(answer) for answer in said)
    lost = len(pictures) - len(readable)
    if lost > max(1, UNREADABLE_SHARE * len(pictures)) or not readable:
        raise IntegrityError(
            f"{lost} of {len(pictures)} pictures could be read at the start and no longer can. The model is saved. "
            "Check the disk, then run the same command again."
        )
    labels = classifier.about.labels
    logits = np.stack([answer.logits for answer in said])
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateReport:
    """The scores of a model on a folder that it was not trained on.

    ``trained_on`` counts the pictures that were left out because the model has learned from the same bytes;
    ``left_out`` those that are no pictures; ``absent`` are labels of the model without a picture here.
    """

    model: Path
    data: Path
    scores: Scores
    unknown: int
    trained_on: int
    left_out: int
    absent: tuple[str, ...]
    predictions: Evaluated

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON-ready values, without the single predictions."""
        return {
            "model": str(self.model),
            "data": str(self.data),
            "scores": self.scores.as_json(),
            "unknown": self.unknown,
            "trained_on": self.trained_on,
            "left_out": self.left_out,
            "absent": list(self.absent),
        }


def evaluate_folder(
    model: Path,
    data: Path,
    *,
    cache: Path,
    split: Split | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> EvaluateReport:
    """Score a model on a folder of labelled pictures; labels are matched by name, whatever their order.

    Args:
        model: a model folder, or the folder of a run.
        data: label folders, train/val/test folders, or a CSV.
        cache: folder for what was seen of each file.
        split: score the pictures of this split only, where the folder names splits.
        device: ``auto``, ``cpu``, ``cuda``, ...
        progress: told of each picture.

    Raises:
        UsageError: a label that the model does not know, or no picture left that it has not learned from.
    """
    progress = progress or Silent()
    classifier = load_classifier(model, device=device)
    found = scan(data, cache=cache, progress=progress, fewest_labels=1)
    strange = sorted(set(found.labels) - set(classifier.about.labels))
    if strange:
        raise UsageError(
            f"the model does not know the label {strange[0]}"
            + (f" (nor {len(strange) - 1} others)" if len(strange) > 1 else "")
            + f". Nothing was scored. It knows {', '.join(classifier.about.labels[:8])}: rename or remove the folder."
        )
    wanted = [picture for picture in found.pictures if split in (None, picture.split)]
    new = [picture for picture in wanted if picture.sha256 not in classifier.about.trained_on]
    if not new:
        why = f"the model has learned from all {len(wanted)} of them" if wanted else f"none is in the split {split}"
        raise UsageError(f"no picture of {data} can be scored: {why}. Nothing was scored. Give other pictures.")
    evaluated = evaluate(classifier, new, cache=cache, progress=progress, title="scoring")
    present = {picture.label for picture in new}
    return EvaluateReport(
        model=model,
        data=data,
        scores=evaluated.scores,
        unknown=evaluated.unknown,
        trained_on=len(wanted) - len(new),
        left_out=len(found.quarantine),
        absent=tuple(label for label in classifier.about.labels if label not in present),
        predictions=evaluated,
    )
