"""What a training run hands back: everything that the report shows, as numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from imgkit.train.calibrate import Calibration
from imgkit.train.fitted import EpochRow
from imgkit.train.judge import Judgement
from imgkit.train.learning import Learning
from imgkit.train.metrics import Scores
from imgkit.train.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What fine-tuning did. ``probe`` and ``winner`` were judged on the same validation pictures."""

    probe: Judgement
    winner: Judgement
    winner_name: str
    rows: tuple[EpochRow, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """One finished run.

    ``picked`` says what the model is: "linear probe", "epoch 7", "average at epoch 7" or a soup. ``validation`` holds
    its scores on the pictures that ``validated_on`` names; ``test`` those on pictures that nothing was chosen by, and
    ``test_without_crossing`` the same without near-duplicates of training pictures, where a given split tears groups
    apart. ``probe_test`` is the linear probe on the test pictures; ``learning`` says whether more pictures would help.
    """

    run: Path
    data: Path
    finished: str
    plan: Plan
    picked: str
    validation: Scores
    validated_on: str
    test: Scores
    test_unknown: int
    test_without_crossing: Scores | None
    probe: Scores
    probe_test: Scores
    tuning: Tuning | None
    calibration: Calibration
    label_issues: int
    learning: Learning | None
    data_digest: str
    seconds: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.run / "model"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the outputs."""
        return tuple(each.label for each in self.plan.labels)

    def verdict(self) -> str:
        """Return the result in one sentence, with how far it can be trusted."""
        accuracy = self.test.accuracy
        return (
            f"{100 * accuracy.value:.1f} % of {self.test.count} test pictures are named right "
            f"(95 % interval {100 * accuracy.low:.1f} to {100 * accuracy.high:.1f} %); "
            f"macro-F1 {100 * self.test.macro_f1.value:.1f} "
            f"({100 * self.test.macro_f1.low:.1f} to {100 * self.test.macro_f1.high:.1f})."
        )

    def as_json(self) -> dict[str, object]:
        """Return everything as JSON-ready values."""
        values = asdict(self)
        return {**values, "run": str(self.run), "data": str(self.data), "verdict": self.verdict()}
