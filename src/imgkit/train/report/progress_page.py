"""Write report.html of a run while it is fine-tuning: the curves so far, renewed after each epoch."""

from collections.abc import Sequence

import jinja2

import imgkit
from imgkit.models.report.page import environment_of
from imgkit.train.finetune.history import EpochRow
from imgkit.train.finetune.recipe import Recipe
from imgkit.train.finetune.validator import ValidationScore
from imgkit.train.report.curves import curves
from imgkit.train.run_folder import RunFolder


def write_progress(
    folder: RunFolder, rows: Sequence[EpochRow], probe: ValidationScore, recipe: Recipe, *, resume: str
) -> None:
    """Write the page of an unfinished run; the report of the finished one takes its place.

    Args:
        folder: of the run.
        rows: the epochs so far.
        probe: the scores of the linear probe that fine-tuning starts from.
        recipe: how many epochs there will be.
        resume: the command that goes on where the run was stopped.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    template = environment_of(jinja2.PackageLoader("imgkit.train.report", ".")).get_template("progress.html.jinja")
    page = template.render(
        rows=rows,
        epochs=recipe.epochs,
        probe=probe,
        names=(),
        curves=curves(rows, probe, folder.path),
        resume=resume,
        version=imgkit.__version__,
    )
    folder.write_text(folder.report.name, page)
