"""The state that the steps of a training run share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgkit.arrays import Float32Array
from imgkit.dataset.folder import Scan
from imgkit.dataset.picture import GivenSplit, LabelledPicture
from imgkit.models.calibration import Calibration
from imgkit.models.metrics import Scores
from imgkit.models.network import Head, divide_by_temperature
from imgkit.models.out_of_distribution import OutOfDistributionDetector
from imgkit.models.prediction_sets import PredictionSets
from imgkit.progress import Progress
from imgkit.train.config import TrainConfig
from imgkit.train.data.split import SplitSet
from imgkit.train.finetune.distributed import ProcessGroup
from imgkit.train.probe.learning_curve import Learning
from imgkit.train.probe.linear_probe import OutOfFold
from imgkit.train.results import PROBE_NAME, Tuning
from imgkit.train.run_folder import RunFolder
from imgkit.train.tracking import NoTracking, Tracking
from imgkit.vision.features.backbone import Backbone
from imgkit.vision.features.weights import LoadedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """Data, backbone, folder and progress of a run. ``features`` has one row for each of ``splits.pictures``.

    ``learned`` are the SHA-256 of pictures that the network had learned from before the run.
    """

    config: TrainConfig
    found: Scan
    splits: SplitSet
    backbone: Backbone
    features: Float32Array
    folder: RunFolder
    cache: Path
    progress: Progress
    processes: ProcessGroup
    tracking: Tracking | NoTracking
    learned: frozenset[str] = frozenset()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the outputs."""
        return self.found.labels

    def part(self, *splits: GivenSplit) -> tuple[list[LabelledPicture], Float32Array]:
        """Return the pictures of ``splits`` and their features."""
        kept = np.array([picture.split in splits for picture in self.splits.pictures])
        return self.splits.of(*splits), self.features[kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The linear probe: its head (of all of train and val), one for fine-tuning (of train), and its judgement.

    ``head`` and ``start`` are as they were fitted, not calibrated; ``calibrated`` is what a model gets. ``scores`` are
    out-of-fold; None where each label has one group only, so that no fold can name another's pictures.
    """

    head: Head
    start: Head
    judged: OutOfFold
    scores: Scores | None
    learning: Learning | None

    @property
    def calibrated(self) -> Head:
        """The head whose softmax is calibrated: divided, once, by the temperature of the out-of-fold logits."""
        return divide_by_temperature(self.head, self.judged.calibration.temperature)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedModel:
    """The network that becomes the model, with its scores on pictures that it was not trained on."""

    name: str
    loaded: LoadedModel
    calibration: Calibration
    detector: OutOfDistributionDetector
    sets: PredictionSets | None
    validation: Scores | None
    validated_on: str
    tuning: Tuning | None = None
    notes: tuple[str, ...] = ()

    @property
    def tuned(self) -> bool:
        """Whether the model is a fine-tuned network, not the linear probe on a frozen one."""
        return self.name != PROBE_NAME
