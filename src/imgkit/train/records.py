"""Write the files of a run: its settings and split when it starts, label_issues.csv at its end."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from imgkit import commands
from imgkit.dataset.folder import Scan
from imgkit.train.config import TrainConfig
from imgkit.train.config_file import FILE, settings_text
from imgkit.train.data.split import SplitSet, data_digest
from imgkit.train.finetune.recipe import Recipe
from imgkit.train.probe.linear_probe import LabelIssue
from imgkit.train.run_folder import RunFolder, environment


def write_start(folder: RunFolder, config: TrainConfig, found: Scan, splits: SplitSet, recipe: Recipe | None) -> None:
    """Write the files that exist before training; the settings come last, so a folder with them can be resumed."""
    folder.write_json("env.json", environment())
    folder.write_json("classes.json", list(found.labels))
    folder.write_text("split.csv", splits.as_csv(found.root))
    folder.write_csv(
        "quarantine.csv",
        ("file_name", "label", "reason", "detail"),
        ((each.name_in(found.root), each.label, each.reason, each.detail) for each in found.quarantine),
    )
    folder.write_json(
        "data.json", {"digest": data_digest(splits.pictures, found.root), "pictures": len(splits.pictures)}
    )
    folder.write_json("recipe.json", asdict(recipe) if recipe else None)
    folder.write_text(
        FILE,
        settings_text(
            config, note=f"{commands.command('train', '--config', folder.path / FILE)} trains the same again"
        ),
    )
    folder.write_json("config.json", config.as_json())
    folder.log("start", data=str(config.data), pictures=len(splits.pictures))


def write_label_issues(folder: RunFolder, root: Path, issues: Sequence[LabelIssue]) -> None:
    """Write label_issues.csv: doubted labels first, then hard pictures and weak labels, the likeliest wrong first."""
    folder.write_csv(
        "label_issues.csv",
        [
            *("file_name", "label", "suggestion", "kind", "probability_wrong", "probability_of_label"),
            *("probability_of_suggestion", "split", "sha256"),
        ],
        (
            (
                issue.picture.name_in(root),
                issue.picture.label,
                issue.suggestion,
                issue.kind,
                f"{issue.wrong:.6f}",
                f"{issue.given:.6f}",
                f"{issue.suggested:.6f}",
                issue.picture.split,
                issue.picture.sha256,
            )
            for issue in issues
        ),
    )
