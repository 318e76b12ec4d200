"""Score weights on the validation pictures while training."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from imgkit.arrays import Float64Array, Int64Array, UInt8Array
from imgkit.models.calibration import fit_temperature
from imgkit.models.intervals import macro_f1
from imgkit.models.network import Normalise
from imgkit.signals import StopFlag, StoppedError
from imgkit.train.config import Monitor
from imgkit.train.finetune.distributed import ProcessGroup
from imgkit.vision.features.device import DTYPES, Precision

BATCH_ON_CPU, BATCH_ON_GPU = 8, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScore:
    """Scores of a set of weights on the validation pictures.

    ``nll`` is the loss in nats after the best temperature, as the model will be used: label smoothing makes
    probabilities too low, which the temperature corrects.
    """

    macro_f1: float
    accuracy: float
    nll: float

    def rank(self, monitor: Monitor) -> tuple[float, float]:
        """Return what to compare: the monitored score, and the loss where that is level. High is good."""
        first = {"macro-f1": self.macro_f1, "accuracy": self.accuracy, "loss": -self.nll}[monitor]
        return round(first, 9), -self.nll


class Validator:
    """The validation pictures, decoded once, just as a prediction sees them.

    Args:
        pixels: (N, S, S, 3) uint8 preprocessed pictures; in a worker its share of them only.
        targets: (N,) label numbers.
        labels: K.
        normalise: what stands before the model, on the model's device.
        precision: number format of the forward pass.
        processes: the process group.
    """

    def __init__(
        self,
        pixels: UInt8Array,
        targets: Int64Array,
        labels: int,
        *,
        normalise: Normalise,
        precision: Precision,
        processes: ProcessGroup | None = None,
    ) -> None:
        self._pixels, self._targets, self._labels = pixels, targets, labels
        self._normalise, self._precision, self._processes = normalise, precision, processes or ProcessGroup()

    def __call__(self, model: nn.Module, stop: StopFlag) -> ValidationScore:
        """Score the current weights of ``model``, which are the same in all processes.

        Raises:
            StoppedError: somebody asked to stop meanwhile.
        """
        part = self._processes.share(len(self._targets))
        try:
            own, stopped = (
                self._logits(model, self._pixels[part] if self._processes.is_rank_zero else self._pixels, stop),
                False,
            )
        except StoppedError:
            own, stopped = np.zeros((part.stop - part.start, self._labels)), True
        if self._processes.any_process(stopped):
            raise StoppedError
        logits = self._processes.all_gather(own, len(self._targets))
        found = score_logits(logits, self._targets, self._labels) if self._processes.is_rank_zero else None
        return ValidationScore(**self._processes.broadcast(asdict(found) if found else None))

    def logits(self, model: nn.Module) -> Float64Array:
        """Return the (N, K) logits; the model is in eval mode afterwards."""
        return self._logits(model, self._pixels, None)

    def _logits(self, model: nn.Module, pixels: UInt8Array, stop: StopFlag | None) -> Float64Array:
        device = next(model.parameters()).device
        size = BATCH_ON_CPU if device.type == "cpu" else BATCH_ON_GPU
        model.eval()
        parts = []
        with (
            torch.inference_mode(),
            torch.autocast(device.type, DTYPES[self._precision], enabled=self._precision != "float32"),
        ):
            for start in range(0, len(pixels), size):
                if stop is not None:
                    stop.check()
                images = torch.from_numpy(pixels[start : start + size]).to(device).permute(0, 3, 1, 2)
                parts.append(model(self._normalise(images)).float())
        return torch.cat(parts).double().cpu().numpy()


def score_logits(logits: Float64Array, targets: Int64Array, labels: int) -> ValidationScore:
    """Score (N, K) logits."""
    predicted = np.asarray(logits.argmax(axis=1), dtype=np.int64)
    return ValidationScore(
        macro_f1=macro_f1(targets, predicted, labels),
        accuracy=float((predicted == targets).mean()),
        nll=fit_temperature(logits, targets, np.arange(len(targets))).nll_after,
    )
