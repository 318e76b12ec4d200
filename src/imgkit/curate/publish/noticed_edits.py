"""Take over what a person did in the curated folder: into the log of decisions, before anything is shown or written."""

from imgkit.curate.config import CurateConfig
from imgkit.curate.publish import adopt, folders, manual_edits
from imgkit.curate.publish.confirm import Confirm, ask, refuse
from imgkit.curate.verdicts import in_set
from imgkit.manifest import Manifest, exclusive_access
from imgkit.progress import Progress, Silent


def notice_edits(
    manifest: Manifest, config: CurateConfig, present: folders.PublishedSet | None, progress: Progress
) -> manual_edits.Edits:
    """Return what a person did to the set that is there, and say it."""
    edits = manual_edits.notice(manifest, present, keeps=in_set(config.policy))
    curated = manifest.folder.curated
    counts = {name: count for name, count in edits.as_counts().items() if count and name != "carried"}
    if counts:
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        progress.say(f"noticed in {curated}: {told} by hand")
    for line in edits.remarks:
        progress.say(f"in {curated}, {line}")
    return edits


def take_in(manifest: Manifest, edits: manual_edits.Edits, confirm: Confirm) -> None:
    """Make new labels known and new pictures part of the harvest, once a person said yes to what is unclear.

    No picture of the set is decided about by that; the decisions are stored together with the set.

    Raises:
        UsageError: a question got no yes.
        ResourceError: disk full, no permission, or a file that could not be read.
    """
    ask(confirm, " ".join(edits.questions), code="edits.many")
    for label, name in edits.new_labels.items():
        manifest.add_label(label, name)
    adopt.adopt(manifest, edits.added)


def take_over_edits(config: CurateConfig, *, progress: Progress | None = None, confirm: Confirm = refuse) -> None:
    """Write what a person did in the curated folder by hand into the log of decisions, and take new pictures in.

    Raises:
        UsageError: no manifest, a curated folder that is not ours, or a question that got no yes.
        LockedError: another command deletes or rewrites pictures of the folder; the sentence names it.
        ResourceError: disk full, no permission, or a file that could not be read.
    """
    with Manifest.open_existing(config.data) as manifest, exclusive_access(manifest.folder.locks, "curate"):
        folders.recover(manifest.folder)
        edits = notice_edits(manifest, config, folders.read_published(manifest.folder.curated), progress or Silent())
        take_in(manifest, edits, confirm)
        manifest.decide(edits.decisions)
