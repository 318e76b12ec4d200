"""imgkit for scripts and notebooks: what the commands do, as methods of a data folder and of a model."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgkit.errors import UsageError
from imgkit.notebook import TableReport
from imgkit.progress import Progress, Silent

if TYPE_CHECKING:
    from imgkit.curate.pipeline import ReviewedReport
    from imgkit.curate.publish.summary import CurateReport
    from imgkit.harvest.plan import HarvestPlan
    from imgkit.harvest.queries import QueryFile
    from imgkit.harvest.report import HarvestReport
    from imgkit.manifest.summary import Summary
    from imgkit.models.evaluate import EvaluateReport
    from imgkit.models.predict import Prediction
    from imgkit.train.results import TrainReport


def open_data(data: Path | str = "data", *, progress: Progress | None = None) -> "Dataset":
    """Return the data folder ``data``, which need not exist yet; nothing is read or written.

    Args:
        data: the data folder, as ``--data`` of the commands.
        progress: is told what is being done; None shows it on stderr, ``imgkit.Silent()`` nowhere.
    """
    return Dataset(Path(data), progress)


def load_model(model: Path | str, *, device: str = "auto") -> "Model":
    """Return the trained model in a run folder or a model folder; it is read when it is first asked.

    Args:
        model: such as "runs/first" or "runs/first/model".
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        UsageError: there is no such folder.
    """
    path = Path(model)
    if not path.is_dir():
        raise UsageError(f"there is no folder {path}. Nothing was read. Give the folder of a run or of its model.")
    return Model(path, device)


def fit(data: Path | str, *, progress: Progress | None = None, **settings: Any) -> "Run":  # noqa: ANN401
    """Train a classifier on a folder of labelled pictures and return the run.

    Args:
        data: label folders, train/val/test folders, a folder with metadata.csv, or a table.
        progress: as for :func:`open_data`.
        settings: fields of ``imgkit.train.config.TrainConfig``, such as ``finetune=True``, ``minutes=10``.

    Raises:
        UsageError: a setting that there is not, or a folder that cannot be trained on.
        ImgkitError: as the command ``train``; each kind has its exit code.
    """
    from imgkit.train import run
    from imgkit.train.config import TrainConfig

    paths = {name: Path(settings[name]) for name in ("runs", "cache", "split_file") if settings.get(name) is not None}
    config = _config(TrainConfig, {"data": Path(data), **settings, **paths})
    return Run(run.train(config, progress=_shown(progress)))


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data folder: what was harvested, what was decided, and the curated set."""

    path: Path
    progress: Progress | None = None

    @property
    def curated(self) -> Path:
        """The folder of the curated set: label folders with ``metadata.csv``."""
        return self.path / "curated"

    def plan(self, queries: Path | str | Sequence[str], **settings: Any) -> "HarvestPlan":  # noqa: ANN401
        """Return what ``harvest`` would ask of whom and what that costs; nobody is asked.

        Args:
            queries: as for ``harvest``.
            settings: as for ``harvest``.

        Raises:
            UsageError: the queries or a setting cannot be used.
        """
        from imgkit.harvest.config import HarvestConfig
        from imgkit.harvest.plan import make_plan

        config = _config(HarvestConfig, {"data": self.path, **settings})
        return make_plan(_read(queries).queries, config, os.environ)

    def harvest(
        self,
        queries: Path | str | Sequence[str],
        *,
        retry: bool = False,
        **settings: Any,  # noqa: ANN401
    ) -> "HarvestReport":
        """Search, download and verify pictures for every label of a queries file, and return where each went.

        Args:
            queries: a CSV with the column query, and label, exclude, providers, max, license; a list of addresses; a
                folder of label folders; or words: ["coral snake", "king snake -toy"].
            retry: try again what failed for good in earlier runs.
            settings: fields of ``imgkit.harvest.config.HarvestConfig``, such as ``per_label=100``, ``size=500``.

        Raises:
            UsageError: the queries or a setting cannot be used.
            ImgkitError: as the command ``harvest``.
        """
        from imgkit.harvest.config import HarvestConfig
        from imgkit.harvest.pipeline import harvest

        config = _config(HarvestConfig, {"data": self.path, **settings})
        file = _read(queries)
        progress = _shown(self.progress)
        for notice in file.notices:
            progress.say(notice)
        return harvest(file.queries, config, environ=os.environ, progress=progress, retry=retry)

    def curate(self, *, dry_run: bool = False, **settings: Any) -> "CurateReport":  # noqa: ANN401
        """Set copies aside, find suspects, write the curated set, and return what happened to every picture.

        Args:
            dry_run: only say what would happen.
            settings: fields of ``imgkit.curate.config.CurateConfig``, such as ``policy="strict"``.

        Raises:
            UsageError: nothing was harvested, or a setting that there is not.
            ImgkitError: as the command ``curate``.
        """
        from imgkit.curate.config import CurateConfig
        from imgkit.curate.pipeline import curate

        config = _config(CurateConfig, {"data": self.path, **settings})
        return curate(config, progress=_shown(self.progress), dry_run=dry_run)

    def review(self, *, port: int | None = None, open_browser: bool = True, **settings: Any) -> "ReviewedReport":  # noqa: ANN401
        """Serve the review page until it is finished there or interrupted, then write the set that follows.

        Args:
            port: of the page, on this machine only; None for the first free one.
            open_browser: open the page; otherwise its address is only shown.
            settings: as for ``curate``.

        Raises:
            ImgkitError: as the command ``curate --review``.
        """
        from imgkit.curate.config import CurateConfig
        from imgkit.curate.pipeline import curate_with_review
        from imgkit.curate.review.config import ReviewConfig

        page = ReviewConfig(data=self.path, port=port, open_browser=open_browser)
        config = _config(CurateConfig, {"data": self.path, **settings})
        return curate_with_review(config, page, progress=_shown(self.progress))

    def status(self) -> "Summary":
        """Return where every candidate and picture is, and what to do next.

        Raises:
            UsageError: there is no manifest yet.
        """
        from imgkit.manifest import Manifest
        from imgkit.manifest.summary import summarise

        with Manifest.open_existing(self.path) as manifest:
            return summarise(manifest)

    def train(self, **settings: Any) -> "Run":  # noqa: ANN401
        """Train on the curated set and return the run; see :func:`fit`."""
        return fit(self.curated, progress=self.progress, **settings)


@dataclass(frozen=True, slots=True)
class Run:
    """One finished training run."""

    report: "TrainReport"

    @property
    def path(self) -> Path:
        """The folder of the run, with ``report.html`` in it."""
        return self.report.run

    @property
    def model(self) -> "Model":
        """The trained model."""
        return Model(self.report.model)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


class Predictions(list["Prediction"], TableReport):
    """Predictions in the order of the pictures: a list that shows itself as a table."""

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return one row for each picture: its most probable label, the probability, and why it has none."""
        rows = [
            [
                each.name,
                each.guesses[0].label if each.guesses else "",
                each.guesses[0].probability if each.guesses else float("nan"),
                each.unknown,
                each.reason,
            ]
            for each in self
        ]
        return ["picture", "label", "probability", "unknown", "reason"], rows


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model in its folder."""

    path: Path
    device: str = "auto"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the outputs."""
        from imgkit.models.model_folder import find_model, read_metadata

        return tuple(read_metadata(find_model(self.path)).labels)

    def predict(self, sources: Path | str | Sequence[Path | str], *, top: int = 3) -> Predictions:
        """Return what pictures show, with calibrated probabilities.

        Args:
            sources: a file, folder, pattern or web address, or several.
            top: labels to name for each picture.

        Raises:
            UsageError: there is no such file or model.
            IntegrityError: the model folder was damaged.
        """
        from imgkit.models.predict import predict

        several = [sources] if isinstance(sources, str | Path) else list(sources)
        return Predictions(predict(self.path, several, top=top, device=self.device))

    def evaluate(
        self, data: Path | str, *, cache: Path | str = "runs/cache", report: Path | str | None = None
    ) -> "EvaluateReport":
        """Return the scores on labelled pictures that the model has not learned from, with 95 % intervals.

        Args:
            data: label folders, train/val/test folders, or a table; labels match by name.
            cache: folder for what was seen of each file.
            report: folder for ``report.html`` with every mistake and for the tables; None writes nothing.

        Raises:
            UsageError: a label that the model does not know, or nothing to score; or ``report`` holds other files.
        """
        from imgkit.models.evaluate import evaluate_folder
        from imgkit.models.report.page import refuse_foreign_folder, write_evaluation
        from imgkit.models.report.references import find_references

        if report is not None:
            refuse_foreign_folder(Path(report))
        found = evaluate_folder(self.path, Path(data), cache=Path(cache), device=self.device)
        if report is not None:
            references = find_references(found, cache=Path(cache), device=self.device, progress=Silent())
            write_evaluation(Path(report), found, references)
        return found


def _read(queries: Path | str | Sequence[str]) -> "QueryFile":
    from imgkit.harvest.queries import read_arguments

    return read_arguments([str(queries)] if isinstance(queries, Path | str) else queries)


def _config(kind: type, settings: dict[str, Any]) -> Any:  # noqa: ANN401  (a config of that kind)
    try:
        return kind(**settings)
    except TypeError as error:
        raise UsageError(f"{kind.__name__}: {error}. Nothing was changed. See its fields.") from error


def _shown(progress: Progress | None) -> Progress:
    if progress is not None:
        return progress
    from imgkit.cli import console

    return console.ConsoleProgress(console.err)
