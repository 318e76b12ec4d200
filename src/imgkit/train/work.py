"""What the steps of a run hand to each other."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgkit.progress import Progress
from imgkit.train.calibrate import Calibration
from imgkit.train.config import TrainConfig
from imgkit.train.familiar import Familiar
from imgkit.train.folder import Scan
from imgkit.train.learning import Learning
from imgkit.train.metrics import Scores
from imgkit.train.model import Head
from imgkit.train.picture import Picture, Split
from imgkit.train.probing import OutOfFold
from imgkit.train.results import Tuning
from imgkit.train.runfolder import RunFolder
from imgkit.train.split import SplitSet
from imgkit.train.team import Team
from imgkit.train.tracking import NoTracking, Tracking
from imgkit.vision.backbone import Backbone
from imgkit.vision.weights import LoadedModel

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the steps of a run share. ``features`` has one row for each of ``splits.pictures``."""

    config: TrainConfig
    found: Scan
    splits: SplitSet
    backbone: Backbone
    features: Features
    folder: RunFolder
    cache: Path
    progress: Progress
    team: Team
    tracking: Tracking | NoTracking

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the outputs."""
        return self.found.labels

    def part(self, *splits: Split) -> tuple[list[Picture], Features]:
        """Return the pictures of ``splits`` and their features."""
        kept = np.array([picture.split in splits for picture in self.splits.pictures])
        return self.splits.of(*splits), self.features[kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The linear probe: its head for the model (all of train and val), one for fine-tuning (train), its judgement."""

    head: Head
    start: Head
    judged: OutOfFold
    scores: Scores
    learning: Learning | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The network that becomes the model, with its scores on pictures that it was not trained on."""

    name: str
    loaded: LoadedModel
    calibration: Calibration
    familiar: Familiar
    validation: Scores
    validated_on: str
    tuning: Tuning | None = None
    notes: tuple[str, ...] = ()
