"""Curate a data folder: run checks, judge, publish the set and report every picture; with or without a review."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from imgkit import commands
from imgkit.arrays import Float32Array
from imgkit.curate.checks import CHECKS, KINDS, art, junk
from imgkit.curate.config import CurateConfig
from imgkit.curate.context import CheckContext, as_judged
from imgkit.curate.copies.fingerprints import fingerprints
from imgkit.curate.copies.grouping import among_first, find_copies
from imgkit.curate.pictures import ItemPicture, read_pictures, rejected_before
from imgkit.curate.publish import adopt, croissant, data_card, folders, manual_edits, plan, probabilities
from imgkit.curate.publish import confirm as questions
from imgkit.curate.publish.alerts import alerts_of
from imgkit.curate.publish.confirm import Confirm, refuse
from imgkit.curate.publish.noticed_edits import notice_edits, take_in, take_over_edits
from imgkit.curate.publish.report import report_files
from imgkit.curate.publish.summary import CurateReport, summarise
from imgkit.curate.ranking.lexicon import read_lexicon
from imgkit.curate.ranking.reduced_features import reduce_features, write_reduced
from imgkit.curate.review.config import ReviewConfig
from imgkit.curate.review.server import ReviewReport, review
from imgkit.curate.verdicts import in_set, judge, standing, with_copies
from imgkit.engine import Engine
from imgkit.manifest import Finding, Judgement, Manifest, exclusive_access, purge
from imgkit.manifest.exports import write_exports
from imgkit.manifest.outcomes import outcomes_of
from imgkit.manifest.renaming import renamed_labels
from imgkit.progress import Progress, Silent
from imgkit.vision.features import textures
from imgkit.vision.features.backbone import Backbone, TexturedBackbone, load_backbone
from imgkit.vision.features.device import choose_device
from imgkit.vision.features.embeddings import embed_readable
from imgkit.vision.imagefolder import Accounts, read_folder


def curate(
    config: CurateConfig,
    *,
    progress: Progress | None = None,
    dry_run: bool = False,
    engine: Engine | None = None,
    confirm: Confirm = refuse,
) -> CurateReport:
    """Curate the data folder and return what happened to every picture.

    Decisions that people made are kept, and what they did in the curated folder by hand becomes decisions too. The
    set is built beside the present one; then decisions, verdicts and findings are stored in one transaction, and the
    set is swapped in as a whole; the present one stays for ``undo``. The same input gives the same set, and then
    nothing is written. Whatever fails before leaves set and manifest as they were.

    Args:
        config: the data folder and the settings.
        progress: is told what is being done.
        dry_run: only say what would happen; nothing but the cache is written.
        engine: where pictures are measured and embedded; None for this process. The set is the same.
        confirm: is asked about changes in the folder that are unclear or very many, and before a set is swapped in that
            lost more than half of its pictures for no reason that a person gave; ``refuse`` says no.

    Raises:
        UsageError: no manifest, no pictures, a curated folder that is not ours, a bad line of ``words.csv``, or a
            question that got no yes.
        WeightsError: the weights of the backbone cannot be had.
        LockedError: another command deletes or rewrites pictures of the folder; the sentence names it.
        ResourceError: disk full, no permission, or a file that could not be read; the set is as it was.
    """
    progress = progress or Silent()
    with Manifest.open_existing(config.data) as manifest, exclusive_access(manifest.folder.locks, "curate"):
        purge.finish(manifest)
        read_lexicon(config.data, without=config.allow)  # a bad line is said before anything is done
        folders.recover(manifest.folder)
        present = folders.read_published(manifest.folder.curated)
        edits = notice_edits(manifest, config, present, progress)
        if not dry_run:
            take_in(manifest, edits, confirm)
        work = _Work(manifest, config, edits, present, progress, None if dry_run else confirm)
        files = _accounts(manifest.folder.curated)
        return replace(_curated(work, engine), files=files)


def _accounts(curated: Path) -> Accounts | None:
    """Return where every file is that lies in the present set, as ``imgkit train`` would read it; None without one."""
    if not curated.is_dir():
        return None
    read = read_folder(curated, layout="labels", with_tables=False)
    return Accounts.of(len(read.files), [one.reason for one in read.left_out])


@dataclass(frozen=True, slots=True)
class _Work:
    """What one curate works with; nothing is written where there is no ``confirm``."""

    manifest: Manifest
    config: CurateConfig
    edits: manual_edits.Edits
    present: folders.PublishedSet | None
    progress: Progress
    confirm: Confirm | None


def undo(config: CurateConfig, *, progress: Progress | None = None) -> bool:
    """Put the set as it was before the last curate in its place again, byte for byte; a second undo takes that back.

    The machine's verdicts of that time come back too, and the decisions that the curate noticed in the folder are
    taken back: it does not notice them again. Other decisions of people stay, whatever they were made on.
    A picture that was removed on request does not come back.

    Returns:
        Whether there is a set now; there is none after the undo of the first curate.

    Raises:
        UsageError: there is nothing to undo.
        LockedError: another command deletes or rewrites pictures of the folder.
    """
    with Manifest.open_existing(config.data) as manifest, exclusive_access(manifest.folder.locks, "curate"):
        purge.finish(manifest)
        folders.recover(manifest.folder)
        there = manifest.folder.curated_previous.exists()
        purge.keep_out(manifest, manifest.folder.curated_previous)
        judgements, findings = plan.verdicts_of(manifest.folder.curated_previous) if there else ([], [])
        folders.require_undo(manifest.folder)
        names = renamed_labels(manifest)
        judged = [
            replace(one, label=names.get(one.label, one.label), placed=names.get(one.placed, one.placed))
            for one in judgements
        ]
        found = [replace(one, label=names.get(one.label, one.label)) for one in findings]
        with manifest.together(durable=True):
            _take_back_noticed(manifest, progress or Silent())
            # two labels that became one may both have judged a picture
            manifest.replace_findings(
                list(CHECKS), {(one.label, one.image_id, one.check): one for one in found}.values()
            )
            manifest.replace_judgements({(one.label, one.image_id): one for one in judged}.values())
        folders.swap_back(manifest.folder)  # after the log: a second try takes back nothing twice
        write_exports(manifest)
        return there


def _take_back_noticed(manifest: Manifest, progress: Progress) -> None:
    """Take back what the present set's curate noticed; bring back what that of the previous one did, if it is later."""
    folder = manifest.folder
    present, previous = (
        folders.read_published(place) if place.exists() else None for place in (folder.curated, folder.curated_previous)
    )
    if present is not None and (previous is None or present.number > previous.number):
        count, what = manifest.take_back(present.noticed, command="curate --undo"), "taken back"
    elif previous is not None:
        count, what = manifest.bring_back(previous.noticed, command="curate --undo"), "made again"
    else:
        return
    if count:
        progress.say(f"{count:,} decisions that were noticed in {folder.curated} are {what}")


def _curated(work: _Work, engine: Engine | None) -> CurateReport:
    """Measure, judge, and write the set."""
    manifest, config, edits, progress = work.manifest, work.config, work.edits, work.progress
    new = adopt.as_pictures(edits.added) if work.confirm is None else []
    own = _with_edits(_with_new(read_pictures(manifest), [picture for picture, _ in new]), edits)
    context = examine(own, config, manifest, progress, engine).as_decided()
    findings = run_checks(context, progress)
    context = context.with_found(findings)
    if context.reduced is not None:
        learnt = junk.learnt_by_key(context.findings_of("junk"))
        write_reduced(replace(context.reduced, learnt=learnt), context.cache)
    judged = judge(context.pictures, findings, context.group_names())
    judgements = [
        replace(one, copies=name, rank=rank)
        for one, (name, rank) in zip(with_copies(judged, context.copies.ranked), context.copies_of(), strict=True)
    ]
    looked = f"{context.backbone.name}, {context.backbone.source}" if context.backbone else ""
    return _written(work, _Judged(own, context, judgements, looked))


def write_decided(config: CurateConfig, *, progress: Progress | None = None, confirm: Confirm = refuse) -> CurateReport:
    """Write the set that follows from the verdicts of the last curate and the decisions of people, and report it.

    Nothing is judged again, so the set holds the pictures that the review page shows in it. Pictures that were
    harvested since the last curate wait for the next one.

    Raises:
        UsageError: no manifest, no pictures, a curated folder that is not ours, or a question that got no yes.
        LockedError: another command deletes or rewrites pictures of the folder; the sentence names it.
        ResourceError: disk full, no permission, or a file that could not be read; the set is as it was.
    """
    progress = progress or Silent()
    with Manifest.open_existing(config.data) as manifest, exclusive_access(manifest.folder.locks, "curate"):
        folders.recover(manifest.folder)
        present = folders.read_published(manifest.folder.curated)
        edits = notice_edits(manifest, config, present, progress)
        take_in(manifest, edits, confirm)
        judged = manifest.judgements()
        own = [one for one in _with_edits(read_pictures(manifest), edits) if one.key in judged]
        judgements = [judged[one.key] for one in own]
        context = as_judged(manifest, own, judgements, config)
        work = _Work(manifest, config, edits, present, progress, confirm)
        return _written(work, _Judged(own, context, judgements, _backbone_of_last(manifest)))


def _backbone_of_last(manifest: Manifest) -> str:
    summary = (manifest.last_run("curate") or {}).get("summary")
    return str(summary.get("backbone", "")) if isinstance(summary, dict) else ""


@dataclass(frozen=True, slots=True)
class _Judged:
    """N pictures with their own decisions, the same as they follow their copies, and N verdicts.

    ``backbone`` says what looked at the pictures, "" without a model.
    """

    own: Sequence[ItemPicture]
    context: CheckContext
    judgements: Sequence[Judgement]
    backbone: str


def _written(work: _Work, judged: _Judged) -> CurateReport:
    """Write the set that follows from verdicts and decisions, unless the present one is the same."""
    manifest, config, edits, progress, confirm = work.manifest, work.config, work.edits, work.progress, work.confirm
    context, pictures = judged.context, judged.context.pictures
    keeps = in_set(config.policy)
    outcomes = outcomes_of(
        standing(judgement, picture.decision, keeps)
        for picture, judgement in zip(judged.own, judged.judgements, strict=True)
    )
    judgements = [
        replace(one, included=keeps(one), placed=outcomes[one.label, one.image_id].placed) for one in judged.judgements
    ]
    new = adopt.as_pictures(edits.added) if confirm is None else []
    items = {(item.label, item.image_id): item for item in [*(item for _, item in new), *manifest.items()]}
    planned = plan.plan(pictures, judgements, outcomes, items, edits, config)
    every = [one for name in CHECKS for one in context.found.get(name, ())]
    report = summarise(manifest, context, judgements, outcomes, planned, config, edits)
    report = replace(report, backbone=judged.backbone)
    report = replace(report, alerts=alerts_of(report))
    digest = plan.digest_of(planned, judgements, every, config, noise=report.noise)
    if confirm is None or (work.present is not None and work.present.digest == digest and edits.untouched):
        return report
    rules = plan.rules_of(config)
    question = questions.shrinking(work.present, planned, pictures, judgements, rules=rules)
    questions.ask(confirm, question, code="set.shrinks")
    run = manifest.start_run("curate", config.as_json())
    progress.start("writing the set and its report")
    scores = {(one.label, one.image_id): one.probability for one in judgements}
    now = datetime.now(UTC)
    texts = {
        **report_files(report, pictures, scores, now=now, progress=progress),
        probabilities.FILE: probabilities.probabilities_csv(report.pictures),
        data_card.FILE: data_card.datacard_md(report, now=now),
        croissant.FILE: croissant.croissant_json(planned.entries, description=data_card.summary(report), now=now),
    }
    plan.build(
        manifest.folder,
        planned,
        digest=digest,
        number=run,
        rules=rules,
        noticed=edits.noticed,
        texts=texts,
        judgements=judgements,
        findings=every,
    )
    with manifest.together(durable=True):
        manifest.decide(edits.decisions)
        manifest.replace_findings(list(CHECKS), every)
        manifest.replace_judgements(judgements)
    folders.swap_in(manifest.folder)
    manifest.end_run(run, replace(report, pictures=()).as_json())  # each is in the manifest already
    write_exports(manifest)
    return report


def examine(
    pictures: Sequence[ItemPicture],
    config: CurateConfig,
    manifest: Manifest,
    progress: Progress,
    engine: Engine | None = None,
) -> CheckContext:
    """Return the pictures with their fingerprints, features and copies.

    Pictures that a person rejected and that have left the harvest are measured with them, for their copies.
    """
    cache, count, rejected = manifest.folder.cache, len(pictures), rejected_before(manifest)
    compared = [*pictures, *rejected]
    every = fingerprints(compared, cache=cache, progress=progress, engine=engine)
    measured = every[:count]
    backbone = _backbone(config, progress)
    seen = _features(compared, backbone, cache, progress, engine) if backbone else None
    vectors = seen[:count] if seen is not None else None
    features, head_outputs, packaged, living = vectors, None, None, None
    network: Backbone | None = None
    if isinstance(backbone, TexturedBackbone) and vectors is not None:
        features = packaged = vectors[:, : backbone.plain_dimension]
        head_outputs, living = vectors[:, backbone.plain_dimension :], art.living_share(backbone, features)
        network = backbone
    elif backbone is not None and _uses_heads(config):
        network = reader = load_backbone(textures.BACKBONE, weights="packaged", device=config.device, textured=True)
        read = _features(pictures, reader, cache, progress, engine)
        packaged, head_outputs = np.split(read, [-len(textures.heads().names)], axis=1)
        living = art.living_share(reader, packaged)
    plain = seen[:, : features.shape[1]] if seen is not None and features is not None else None
    copies = find_copies(compared, every, plain, near_bits=config.near_bits, cache=cache, progress=progress)
    copies_of_rejected = {
        one: compared[group[-1]] for group in copies.near if group[-1] >= count for one in group if one < count
    }
    copies = among_first(copies, pictures, measured) if rejected else copies
    return CheckContext(
        pictures=pictures,
        fingerprints=measured,
        copies=copies,
        config=config,
        cache=cache,
        features=features,
        reduced=None if features is None else reduce_features([one.key for one in pictures], features),
        head_outputs=head_outputs,
        packaged=packaged,
        living=living,
        network=network,
        backbone=backbone,
        copies_of_rejected=copies_of_rejected,
    )


def _features(
    pictures: Sequence[ItemPicture], backbone: Backbone, cache: Path, progress: Progress, engine: Engine | None
) -> Float32Array:
    paths, keys = [one.path for one in pictures], [one.file_sha256 for one in pictures]
    return embed_readable(paths, backbone, cache=cache, keys=keys, progress=progress, engine=engine).features


def _uses_heads(config: CurateConfig) -> bool:
    """Whether the drawing and text heads run; they read the packaged network, whichever backbone is configured."""
    return set(config.allow) != set(KINDS)


def run_checks(context: CheckContext, progress: Progress) -> Mapping[str, Sequence[Finding]]:
    """Run the table of checks in its order and return the findings of each.

    A check is skipped where it needs a model and there is none, or where what it finds is wanted.
    """
    found: dict[str, Sequence[Finding]] = {}
    progress.start("checking", len(CHECKS))
    for name, check in CHECKS.items():
        if (context.features is not None or not check.needs_model) and check.kind not in context.config.allow:
            found[name] = check.run(context.with_found(found))
        progress.advance(note=name)
    return found


def _with_new(pictures: Sequence[ItemPicture], new: Sequence[ItemPicture]) -> list[ItemPicture]:
    known = {picture.key for picture in pictures}
    return sorted([*pictures, *(one for one in new if one.key not in known)], key=lambda picture: picture.key)


def _with_edits(pictures: Sequence[ItemPicture], edits: manual_edits.Edits) -> list[ItemPicture]:
    """Return the pictures as they would be if the edits were in the log of decisions already."""
    newest = 1 << 62  # above every id in the log
    made = {(one.label, one.image_id): replace(one, id=newest + n) for n, one in enumerate(edits.decisions)}
    return [
        replace(picture, decision=made[picture.key], label_now=made[picture.key].to_label or picture.label)
        if picture.key in made
        else picture
        for picture in pictures
    ]


def _backbone(config: CurateConfig, progress: Progress) -> Backbone | None:
    if config.weights == "none":
        progress.say("no model (--weights none): copies and quality are looked at, labels are not")
        return None
    by_default = config.backbone is None and choose_device(config.device).type == "cpu"
    packaged = config.weights in ("auto", "packaged") and (by_default or config.backbone == textures.BACKBONE)
    return load_backbone(
        config.backbone,
        weights=config.weights,
        device=config.device,
        textured=packaged and _uses_heads(config),
        progress=progress,
    )


JUDGE_BY: Final = ("backbone", "weights", "allow", "near_bits", "folds", "neighbours", "seed")
"""Settings of a curate on which a verdict depends."""


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
    config: CurateConfig,
    page: ReviewConfig,
    *,
    progress: Progress | None = None,
    engine: Engine | None = None,
    confirm: Confirm = refuse,
) -> ReviewedReport:
    """Serve the review page of a data folder, and curate the folder by what was decided there.

    The checks run first where a picture has no verdict yet, or was judged with other settings; else the page opens at
    once. What a person did in the curated folder by hand is taken over before it opens. Finishing writes the set that
    the page shows; nothing is judged again before the next curate.

    Args:
        config: as for ``curate``.
        page: how to serve the page; its data folder is that of ``config``.
        progress: is told what is being done, and the address of the page.
        engine: as for ``curate``.
        confirm: as for ``curate``.

    Raises:
        As ``curate`` and ``review``.
    """
    progress = progress or Silent()
    written: list[CurateReport] = []

    def finish() -> Mapping[str, object]:
        written.append(write_decided(config, progress=progress, confirm=confirm))
        folder = config.data / "curated"
        return {
            "kept": written[-1].totals["in_set"],
            "folder": str(folder),
            "report": str(folder / "report.html"),
            "next": commands.train(folder),
        }

    take_over_edits(config, progress=progress, confirm=confirm)
    if _needs_verdicts(config):
        curate(config, progress=progress, engine=engine, confirm=confirm)
    reviewed = review(page, in_set=in_set(config.policy), finish=finish, progress=progress)
    return ReviewedReport(reviewed=reviewed, curated=written[-1] if written else None)


def _needs_verdicts(config: CurateConfig) -> bool:
    """Whether a picture has no verdict yet, or only one of an earlier version or of other settings."""
    with Manifest.open_existing(config.data) as manifest:
        judged = manifest.judgements()
        known = {key for key, one in judged.items() if one.included is not None and one.why}
        if any((item.label, item.image_id) not in known for item in manifest.items()):
            return True
        arguments = (manifest.last_run("curate") or {}).get("arguments")
        wanted = json.loads(json.dumps(config.as_json()))
        return isinstance(arguments, dict) and any(arguments.get(name) != wanted[name] for name in JUDGE_BY)
