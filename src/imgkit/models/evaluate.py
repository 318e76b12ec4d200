"""Score a trained model on labelled pictures, through the same code as a prediction."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from imgkit.arrays import Float32Array, Float64Array
from imgkit.dataset.folder import reading_notes, scan
from imgkit.dataset.groups import group_numbers, numbers_of
from imgkit.dataset.picture import GivenSplit, LabelledPicture
from imgkit.errors import IntegrityError, UsageError
from imgkit.models.classifier import Classifier, load_classifier
from imgkit.models.label_table import RollUpScore, score_rollups
from imgkit.models.metrics import LabelledPredictions, Scores, score
from imgkit.models.prediction_sets import PredictionSets, SetScores, score_sets
from imgkit.notebook import TableReport
from imgkit.progress import Progress, Silent
from imgkit.vision.features.embeddings import embed_readable
from imgkit.vision.imagefolder import Accounts, AskedLayout, Selection

UNREADABLE_SHARE = 0.001  # of pictures that were readable a moment ago; more means that the disk is failing


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """N pictures with what the model says: ``logits`` (N, K), calibrated ``answers`` and their ``scores``.

    ``features`` are (N, D) as the network's last layer gets them; ``unknown`` counts the pictures that look like none
    of the labels to the model; ``rollups`` are the scores of the columns that group labels, () without a table of them.
    """

    pictures: tuple[LabelledPicture, ...]
    logits: Float64Array
    features: Float32Array
    predictions: LabelledPredictions
    scores: Scores
    unknown: int
    rollups: tuple[RollUpScore, ...] = ()

    def set_scores(self, sets: PredictionSets | None) -> SetScores | None:
        """Return how prediction sets do on the pictures; None without a rule."""
        return score_sets(sets, self.predictions) if sets else None

    def without(self, groups: Collection[str], labels: Sequence[str]) -> Scores | None:
        """Return the scores on the pictures that belong to none of ``groups``; None where none is left."""
        kept = np.array([picture.group not in groups for picture in self.pictures])
        if not kept.any():
            return None
        part = LabelledPredictions(
            probabilities=self.predictions.probabilities[kept],
            targets=self.predictions.targets[kept],
            groups=self.predictions.groups[kept],
        )
        return score(part, labels)


def evaluate(
    classifier: Classifier, pictures: Sequence[LabelledPicture], *, cache: Path, progress: Progress, title: str
) -> Evaluated:
    """Score ``classifier`` on ``pictures``, whose labels must be labels of the model; order does not matter.

    Args:
        classifier: the model.
        pictures: with a label each.
        cache: folder for what this very network saw in them, by content: the same question is answered at once.
        progress: told of the pictures that are not in the cache.
        title: what ``progress`` calls the work.

    Raises:
        UsageError: ``pictures`` is empty.
        IntegrityError: pictures that were readable when the folder was scanned no longer are.
    """
    if not pictures:
        raise UsageError("there is no picture to score. Nothing was scored. Give one labelled picture at least.")
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
    raw = classifier.predict_features(embedded.features[kept])
    unknown = sum(not classifier.is_known(answer) for answer in raw)
    lost = len(pictures) - len(readable)
    if lost > max(1, UNREADABLE_SHARE * len(pictures)) or not readable:
        raise IntegrityError(
            f"{lost} of {len(pictures)} pictures could be read at the start and no longer can. The model is saved. "
            "Check the disk, then run the same command again."
        )
    labels = classifier.metadata.labels
    logits = np.stack([answer.logits for answer in raw])
    predictions = LabelledPredictions(
        probabilities=classifier.probabilities(logits),
        targets=numbers_of(readable, labels),
        groups=group_numbers(readable),
    )
    return Evaluated(
        pictures=tuple(readable),
        logits=logits,
        features=embedded.features[kept],
        predictions=predictions,
        scores=score(predictions, labels),
        unknown=unknown,
        rollups=score_rollups(classifier.metadata.table, labels, predictions),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateReport(TableReport):
    """The scores of a model on a folder that it was not trained on.

    ``root`` is the folder that names of files begin in, ``labels`` are those of the model in the order of its outputs.
    ``sets`` says how prediction sets did, None where the model has none.
    ``trained_on`` counts the pictures that were left out because the model has learned from the same bytes;
    ``files`` says where every file of the folder is, ``notes`` in words how the folder was read; ``absent`` are labels
    of the model without a picture here.
    """

    model: Path
    data: Path
    root: Path
    labels: tuple[str, ...]
    scores: Scores
    unknown: int
    sets: SetScores | None
    trained_on: int
    files: Accounts
    notes: tuple[str, ...]
    absent: tuple[str, ...]
    predictions: Evaluated

    @property
    def left_out(self) -> int:
        """How many files are not used."""
        return self.files.left_out

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return the scores of each label, 0 to 1."""
        return self.scores.table()

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON-ready values, without the single predictions."""
        return {
            "model": str(self.model),
            "data": str(self.data),
            "scores": self.scores.as_json(),
            "unknown": self.unknown,
            "sets": asdict(self.sets) if self.sets else None,
            "rollups": [asdict(each) for each in self.predictions.rollups],
            "trained_on": self.trained_on,
            "left_out": self.left_out,
            "files": asdict(self.files),
            "notes": list(self.notes),
            "absent": list(self.absent),
        }


def evaluate_folder(
    model: Path,
    data: Path,
    *,
    cache: Path,
    split: GivenSplit | None = None,
    layout: AskedLayout = "auto",
    wanted: Selection | None = None,
    device: str = "auto",
    label_table: Path | None = None,
    given: Sequence[str] = (),
    progress: Progress | None = None,
) -> EvaluateReport:
    """Score a model on a folder of labelled pictures; labels are matched by name, whatever their order.

    Args:
        model: a model folder, or the folder of a run.
        data: label folders, train/val/test folders, or a table.
        cache: folder for what was seen of each file.
        split: score the pictures of this split only, where the folder names splits.
        layout: whether folders called train, val or test are splits or labels, where others lie beside them.
        wanted: the labels and the number of pictures that are scored; None for all.
        device: ``auto``, ``cpu``, ``cuda``, ...
        label_table: a table of labels that counts instead of the model's own.
        given: what is known of all pictures, such as "countries=Kenya": a prior from the table of labels.
        progress: told of each picture.

    Raises:
        UsageError: a label that the model does not know, or no picture left that it has not learned from.
    """
    progress = progress or Silent()
    classifier = load_classifier(model, device=device, label_table=label_table, given=given)
    found = scan(data, cache=cache, progress=progress, fewest_labels=1, layout=layout, wanted=wanted)
    strange = sorted(set(found.labels) - set(classifier.metadata.labels))
    if strange:
        raise UsageError(
            f"the model does not know the label {strange[0]}"
            + (f" (nor {len(strange) - 1} others)" if len(strange) > 1 else "")
            + f". Nothing was scored. It knows {', '.join(classifier.metadata.labels[:8])}: "
            + "rename or remove the folder."
        )
    asked = [picture for picture in found.pictures if split in (None, picture.split)]
    new = [picture for picture in asked if picture.sha256 not in classifier.metadata.trained_on]
    if not new:
        why = f"the model has learned from all {len(asked)} of them" if asked else f"none is in the split {split}"
        raise UsageError(f"no picture of {data} can be scored: {why}. Nothing was scored. Give other pictures.")
    evaluated = evaluate(classifier, new, cache=cache, progress=progress, title="scoring")
    present = {picture.label for picture in new}
    return EvaluateReport(
        model=model,
        data=data,
        root=found.root,
        labels=classifier.metadata.labels,
        scores=evaluated.scores,
        unknown=evaluated.unknown,
        sets=evaluated.set_scores(classifier.metadata.sets),
        trained_on=len(asked) - len(new),
        files=found.accounts(),
        notes=tuple(reading_notes(found)),
        absent=tuple(label for label in classifier.metadata.labels if label not in present),
        predictions=evaluated,
    )
