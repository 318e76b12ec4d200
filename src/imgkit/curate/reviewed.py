"""Curate, let a person look, and write the set that follows from both."""

from collections.abc import Mapping
from dataclasses import dataclass

from imgkit.curate.config import CurateConfig
from imgkit.curate.judge import in_set
from imgkit.curate.outcome import CurateReport
from imgkit.curate.review.config import ReviewConfig
from imgkit.curate.review.serve import ReviewReport, review
from imgkit.engine import Engine
from imgkit.manifest import Manifest
from imgkit.progress import Progress, Silent


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedReport:
    """What a person did, and the set that came of it; ``curated`` is None where nothing was decided or finished."""

    reviewed: ReviewReport
    curated: CurateReport | None

    def as_json(self) -> dict[str, object]:
        """Return both reports as values that JSON can hold."""
        return {
            "review": self.reviewed.as_json(),
            "curate": self.curated.as_json() if self.curated else None,
        }


def curate_with_review(
    config: CurateConfig, page: ReviewConfig, *, progress: Progress | None = None, engine: Engine | None = None
) -> ReviewedReport:
    """Serve the review page of a data folder, and curate the folder by what was decided there.

    The checks run first where a picture has no verdict yet; else the page opens at once.

    Args:
        config: as for ``curate``.
        page: how to serve the page; its data folder is that of ``config``.
        progress: is told what is being done, and the address of the page.
        engine: as for ``curate``.

    Raises:
        As ``curate`` and ``review``.
    """
    progress = progress or Silent()
    written: list[CurateReport] = []

    def finish() -> Mapping[str, object]:
        from imgkit.curate.clean import curate  # loads the model's library, which the page does not need

        written.append(curate(config, progress=progress, engine=engine))
        folder = config.data / "curated"
        return {
            "kept": written[-1].totals["in_set"],
            "folder": str(folder),
            "report": str(folder / "report.html"),
            "next": f"imgkit train {folder}",
        }

    if _needs_verdicts(config):
        finish()
        written.clear()
    reviewed = review(page, in_set=in_set(config.policy), finish=finish, progress=progress)
    return ReviewedReport(reviewed=reviewed, curated=written[-1] if written else None)


def _needs_verdicts(config: CurateConfig) -> bool:
    with Manifest.open_existing(config.data) as manifest:
        judged = manifest.judgements()
        return any((item.label, item.image_id) not in judged for item in manifest.items())
