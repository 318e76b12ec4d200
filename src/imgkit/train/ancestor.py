"""The model that a run starts from: its labels, and the pictures that its network has learned from.

A network that was fine-tuned knows its training pictures. Where a run starts from one, those pictures are for training
only, and in no score and no calibration, whatever the split says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgkit.errors import UsageError
from imgkit.models.model_folder import read_metadata
from imgkit.train.config import TrainConfig
from imgkit.train.results import PROBE_NAME
from imgkit.vision.features.weights import model_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A model folder that a run starts from.

    ``learned`` are the SHA-256 of pictures that its network was fitted on, not its head alone.
    """

    folder: Path
    labels: tuple[str, ...]
    learned: frozenset[str]

    def sentence(self, labels: Sequence[str]) -> str:
        """Return in words which of ``labels`` the model knows already."""
        known, new = (
            [each for each in labels if each in self.labels],
            [each for each in labels if each not in self.labels],
        )
        left = [each for each in self.labels if each not in labels]
        said = [f"starts from {self.folder}, which knows {len(known)} of the {len(labels)} labels"]
        said += [f"new: {_some(new)}"] if new else []
        said += [f"no longer there: {_some(left)}"] if left else []
        return "; ".join(said)


def ancestor_of(config: TrainConfig) -> Ancestor | None:
    """Return the model that the weights of a run come from; None where they are those of no model folder of imgkit.

    Raises:
        IntegrityError: the files of its folder do not belong together.
    """
    if config.weights in ("auto", "packaged", "hub"):
        return None
    folder = model_file(Path(config.weights)).parent
    try:
        metadata = read_metadata(folder)
    except UsageError:
        return None
    fitted = metadata.trained.get("picked") != PROBE_NAME or bool(metadata.trained.get("network_learned"))
    return Ancestor(folder=folder, labels=metadata.labels, learned=metadata.trained_on if fitted else frozenset())


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
