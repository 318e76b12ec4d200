"""Score weights on the validation pictures while training."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from imgkit.train.calibrate import fit_temperature
from imgkit.train.classifier import Pixels
from imgkit.train.config import Monitor
from imgkit.train.interrupt import Stop, StoppedError
from imgkit.train.intervals import macro_f1
from imgkit.train.metrics import Floats, Ints
from imgkit.train.model import Normalise
from imgkit.train.team import Team
from imgkit.vision.device import DTYPES, Precision

BATCH_ON_CPU, BATCH_ON_GPU = 8, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How some weights do on the validation set.

    ``nll`` is the loss in nats after the best temperature, as the model will be used: label smoothing makes weights
    modest, which is no fault.
    """

    macro_f1: float
    accuracy: float
    nll: float

    def rank(self, monitor: Monitor) -> tuple[float, float]:
        """Return what to compare: the monitored score, and the loss where that is level. High is good."""
        first = {"macro-f1": self.macro_f1, "accuracy": self.accuracy, "loss": -self.nll}[monitor]
        return round(first, 9), -self.nll


class Judge:
    """The validation pictures, decoded once, just as a prediction sees them.

    Args:
        pixels: (N, S, S, 3) prepared pictures; in a process that helps, its share of them only.
        targets: (N,) label numbers.
        labels: K.
        normalise: what stands before the model, on the model's device.
        precision: number format of the forward pass.
        team: those who judge together.
    """

    def __init__(
        self,
        pixels: Pixels,
        targets: Ints,
        labels: int,
        *,
        normalise: Normalise,
        precision: Precision,
        team: Team | None = None,
    ) -> None:
        self._pixels, self._targets, self._labels = pixels, targets, labels
        self._normalise, self._precision, self._team = normalise, precision, team or Team()

    def __call__(self, model: nn.Module, stop: Stop) -> Judgement:
        """Score the model as it is now, which is the same one in all processes of the team.

        Raises:
            StoppedError: somebody asked to stop meanwhile.
        """
        part = self._team.share(len(self._targets))
        try:
            own, stopped = self._logits(model, self._pixels[part] if self._team.leads else self._pixels, stop), False
        except StoppedError:
            own, stopped = np.zeros((part.stop - part.start, self._labels)), True
        if self._team.any(stopped):
            raise StoppedError
        logits = self._team.gather(own, len(self._targets))
        found = judgement(logits, self._targets, self._labels) if self._team.leads else None
        return Judgement(**self._team.tell(asdict(found) if found else None))

    def logits(self, model: nn.Module) -> Floats:
        """Return the (N, K) logits; the model is in eval mode afterwards."""
        return self._logits(model, self._pixels, None)

    def _logits(self, model: nn.Module, pixels: Pixels, stop: Stop | None) -> Floats:
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


def judgement(logits: Floats, targets: Ints, labels: int) -> Judgement:
    """Score (N, K) logits."""
    predicted = np.asarray(logits.argmax(axis=1), dtype=np.int64)
    return Judgement(
        macro_f1=macro_f1(targets, predicted, labels),
        accuracy=float((predicted == targets).mean()),
        nll=fit_temperature(logits, targets, np.arange(len(targets))).nll_after,
    )
