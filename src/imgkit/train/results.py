"""The result of a training run: every number that the report shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from imgkit.models.calibration import Calibration
from imgkit.models.label_table import RollUpScore
from imgkit.models.metrics import Scores
from imgkit.models.prediction_sets import SetScores
from imgkit.notebook import TableReport
from imgkit.train.finetune.history import EpochRow
from imgkit.train.finetune.validator import ValidationScore
from imgkit.train.plan import TrainPlan
from imgkit.train.probe.learning_curve import Learning

PROBE_NAME = "linear probe"  # what ``picked`` says where nothing was fine-tuned, or it did not help


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The result of fine-tuning. ``probe`` and ``winner`` were scored on the same validation pictures."""

    probe: ValidationScore
    winner: ValidationScore
    winner_name: str
    rows: tuple[EpochRow, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport(TableReport):
    """One finished run.

    ``picked`` says what the model is: "linear probe", "epoch 7", "average at epoch 7" or a soup. ``validation`` holds
    its scores on the pictures that ``validated_on`` names; ``test`` those on pictures that nothing was chosen by, and
    ``test_without_crossing`` the same without near-duplicates of training pictures, where a given split tears groups
    apart. ``test_sets`` says how prediction sets did on the test pictures, None where the model has none,
    ``test_rollups`` how often values of the columns that group labels are right. ``probe`` are the scores of the
    linear probe out-of-fold, None where no label has two groups to learn from; ``probe_test`` is the linear probe on
    the test pictures; ``label_issues`` counts doubted labels, ``wrong_labels`` is the estimate of how many are wrong,
    in words; ``learning`` says whether more pictures would help.
    """

    run: Path
    data: Path
    finished: str
    plan: TrainPlan
    picked: str
    validation: Scores | None
    validated_on: str
    test: Scores
    test_unknown: int
    test_sets: SetScores | None
    test_rollups: tuple[RollUpScore, ...]
    test_without_crossing: Scores | None
    probe: Scores | None
    probe_test: Scores
    tuning: Tuning | None
    calibration: Calibration
    label_issues: int
    wrong_labels: str
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

    @property
    def out_of_fold(self) -> bool:
        """Whether the headline is the out-of-fold score: the model is the probe, and more groups judged it so."""
        return self.picked == PROBE_NAME and self.probe is not None and self.probe.groups > self.test.groups

    @property
    def best(self) -> Scores:
        """The better-founded scores of the model: on the test pictures, or out-of-fold where that judged more groups.

        Groups are counted, not pictures: copies are no independent evidence. A fine-tuned model was never judged
        out-of-fold, so its headline is the test.
        """
        return self.probe if self.out_of_fold and self.probe is not None else self.test

    @property
    def judged_on(self) -> str:
        """What the headline was measured on, in words."""
        return "pictures, each judged out-of-fold," if self.out_of_fold else "test pictures"

    def verdict(self) -> str:
        """Return the result in one sentence, with how far it can be trusted."""
        best, accuracy = self.best, self.best.accuracy
        sentence = (
            f"{100 * accuracy.value:.1f} % of {best.count} {self.judged_on} are named right "
            f"(95 % interval {100 * accuracy.low:.1f} to {100 * accuracy.high:.1f} %); "
            f"macro-F1 {100 * best.macro_f1.value:.1f} "
            f"({100 * best.macro_f1.low:.1f} to {100 * best.macro_f1.high:.1f})."
        )
        if not self.out_of_fold:
            return sentence
        test = self.test.accuracy
        return (
            f"{sentence} Of {self.test.count} test pictures {100 * test.value:.1f} % "
            f"({100 * test.low:.1f} to {100 * test.high:.1f} %)."
        )

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return the scores of each label on the test pictures, 0 to 1."""
        return self.test.table()

    def headline(self) -> str:
        """Return the result in one sentence, with how far it can be trusted."""
        return self.verdict()

    def as_json(self) -> dict[str, object]:
        """Return everything as JSON-ready values."""
        values = asdict(self)
        return {**values, "run": str(self.run), "data": str(self.data), "verdict": self.verdict()}
