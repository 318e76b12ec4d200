"""Calibrate probabilities by temperature scaling."""

from dataclasses import dataclass

from imgkit.arrays import Float64Array, Int64Array
from imgkit.models.metrics import LabelledPredictions, calibration_error
from imgkit.vision.features.probe import negative_log_likelihood, softmax, temperature


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A temperature (logits are divided by it), with NLL (nats) and ECE (0 to 1) on the pictures it was fitted on."""

    temperature: float
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float


def fit_temperature(logits: Float64Array, targets: Int64Array, groups: Int64Array) -> Calibration:
    """Return the temperature in 0.05 to 20 with the lowest NLL; 1 where no other has a lower one.

    Args:
        logits: (N, K) as the model gives them, divided by no temperature yet.
        targets: (N,) label numbers.
        groups: (N,) numbers that are equal for copies.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    before = LabelledPredictions(probabilities=softmax(logits), targets=targets, groups=groups)
    found = round(temperature(logits, targets), 6)
    if negative_log_likelihood(softmax(logits / found), targets) >= float(before.losses.mean()):
        found = 1.0
    after = LabelledPredictions(probabilities=softmax(logits / found), targets=targets, groups=groups)
    return Calibration(
        temperature=found,
        nll_before=float(before.losses.mean()),
        nll_after=float(after.losses.mean()),
        ece_before=calibration_error(before),
        ece_after=calibration_error(after),
    )
