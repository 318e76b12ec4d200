"""Curate a data folder: look, find, judge, write the set and say what happened to every picture."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from imgkit.curate import by_hand, croissant, datacard, folders
from imgkit.curate import view as views
from imgkit.curate.alerts import alerts_of
from imgkit.curate.checks import CHECKS
from imgkit.curate.config import KINDS, CurateConfig
from imgkit.curate.duplicates import find_copies
from imgkit.curate.evidence import Evidence, Floats
from imgkit.curate.fingerprints import fingerprints
from imgkit.curate.judge import judge
from imgkit.curate.outcome import CurateReport, summarise
from imgkit.curate.pictures import Picture, gather
from imgkit.curate.report import report_files
from imgkit.engine import Engine
from imgkit.manifest import Finding, Manifest, sole_owner
from imgkit.manifest.exports import write_exports
from imgkit.progress import Progress, Silent
from imgkit.vision import textures
from imgkit.vision.backbone import Backbone, TexturedBackbone, load_backbone
from imgkit.vision.device import choose_device
from imgkit.vision.embeddings import embed_readable


def curate(
    config: CurateConfig, *, progress: Progress | None = None, dry_run: bool = False, engine: Engine | None = None
) -> CurateReport:
    """Curate the data folder and return what happened to every picture.

    Decisions that people made are kept, and what they did in the curated folder by hand becomes decisions first. The
    set is built beside the present one and swapped in as a whole; the present one stays for ``undo``. The same input
    gives the same set, and then nothing is written.

    Args:
        config: the data folder and the settings.
        progress: is told what is being done.
        dry_run: only say what would happen; nothing but the cache is written.
        engine: where pictures are looked at and embedded; None for this process. The set is the same.

    Raises:
        UsageError: no manifest, no pictures, or a curated folder that is not ours.
        WeightsError: the weights of the backbone cannot be had.
        LockedError: another curate is at work on the folder.
        ResourceError: disk full or no permission; the set is as it was.
    """
    progress = progress or Silent()
    with Manifest.open_existing(config.data) as manifest, sole_owner(manifest.folder.locks, "curate"):
        views.recover(manifest.folder)
        present = views.read_view(manifest.folder.curated)
        edits = by_hand.notice(manifest.folder, present, manifest.labels())
        if dry_run:
            return _curated(manifest, config, edits, present, progress, write=False, engine=engine)
        if edits.decisions:
            for label in edits.new_labels:
                manifest.add_label(label, label)
            manifest.decide(edits.decisions)
            progress.say(f"noticed in {manifest.folder.curated}: {edits.deleted} deleted, {edits.moved} moved by hand")
        return _curated(manifest, config, edits, present, progress, write=True, engine=engine)


def undo(config: CurateConfig) -> bool:
    """Put the set as it was before the last curate in its place again, byte for byte; a second undo takes that back.

    The machine's verdicts of that time come back too. Decisions of people stay, whatever they were made on.

    Returns:
        Whether there is a set now; there is none after the undo of the first curate.

    Raises:
        UsageError: there is nothing to undo.
    """
    with Manifest.open_existing(config.data) as manifest, sole_owner(manifest.folder.locks, "curate"):
        views.recover(manifest.folder)
        there = views.swap_back(manifest.folder)
        judgements, findings = folders.verdicts_of(manifest.folder.curated) if there else ([], [])
        with manifest.together(durable=True):
            manifest.replace_findings(list(CHECKS), findings)
            manifest.replace_judgements(judgements)
        write_exports(manifest)
        return there


def _curated(
    manifest: Manifest,
    config: CurateConfig,
    edits: by_hand.Edits,
    present: views.View | None,
    progress: Progress,
    *,
    write: bool,
    engine: Engine | None = None,
) -> CurateReport:
    pictures = gather(manifest) if write else _as_decided(gather(manifest), edits)
    evidence = examine(pictures, config, manifest, progress, engine)
    findings = run_checks(evidence, progress)
    judgements = judge(pictures, findings, evidence.group_names())
    items = {(item.label, item.image_id): item for item in manifest.items()}
    planned = folders.plan(pictures, judgements, items, edits, config)
    every = [one for name in CHECKS for one in findings.get(name, ())]
    report = summarise(manifest, evidence.with_found(findings), judgements, planned, config, edits)
    report = replace(report, alerts=alerts_of(report))
    digest = folders.digest_of(planned, judgements, every, config, noise=report.noise)
    if not write or (present is not None and present.digest == digest and edits.untouched):
        return report
    run = manifest.start_run("curate", config.as_json())
    progress.start("writing the set and its report")
    scores = {(one.label, one.image_id): one.score for one in judgements}
    now = datetime.now(UTC)
    texts = {
        **report_files(report, pictures, scores, now=now, progress=progress),
        datacard.FILE: datacard.datacard_md(report, now=now),
        croissant.FILE: croissant.croissant_json(planned.entries, description=datacard.summary(report), now=now),
    }
    with manifest.together(durable=True):
        manifest.replace_findings(list(CHECKS), every)
        manifest.replace_judgements(judgements)
    folders.apply(
        manifest.folder, planned, digest=digest, number=run, texts=texts, judgements=judgements, findings=every
    )
    manifest.end_run(run, report.as_json())
    write_exports(manifest)
    return report


def examine(
    pictures: Sequence[Picture],
    config: CurateConfig,
    manifest: Manifest,
    progress: Progress,
    engine: Engine | None = None,
) -> Evidence:
    """Return the pictures with their fingerprints, features and copies."""
    cache = manifest.folder.cache
    prints = fingerprints(pictures, cache=cache, progress=progress, engine=engine)
    backbone = _backbone(config, progress)
    vectors = _features(pictures, backbone, cache, progress, engine) if backbone else None
    features, looks = vectors, None
    if isinstance(backbone, TexturedBackbone) and vectors is not None:
        features, looks = vectors[:, : backbone.plain_dimension], vectors[:, backbone.plain_dimension :]
    elif backbone is not None and _asks_heads(config):
        packaged = load_backbone(textures.BACKBONE, weights="packaged", device=config.device, textured=True)
        looks = _features(pictures, packaged, cache, progress, engine)[:, -len(textures.heads().names) :]
    copies = find_copies(pictures, prints, features, near_bits=config.near_bits, cache=cache, progress=progress)
    return Evidence(
        pictures=pictures,
        fingerprints=prints,
        copies=copies,
        config=config,
        cache=cache,
        features=features,
        looks=looks,
        backbone=backbone,
    )


def _features(
    pictures: Sequence[Picture], backbone: Backbone, cache: Path, progress: Progress, engine: Engine | None
) -> Floats:
    paths, keys = [one.path for one in pictures], [one.file_sha256 for one in pictures]
    return embed_readable(paths, backbone, cache=cache, keys=keys, progress=progress, engine=engine).features


def _asks_heads(config: CurateConfig) -> bool:
    """Whether the heads are asked, which read the packaged network's vectors whatever else looks at labels."""
    return set(config.allow) != set(KINDS)


def run_checks(evidence: Evidence, progress: Progress) -> Mapping[str, Sequence[Finding]]:
    """Run the table of checks in its order and return the findings of each."""
    found: dict[str, Sequence[Finding]] = {}
    progress.start("checking", len(CHECKS))
    for name, check in CHECKS.items():
        if evidence.features is not None or not check.needs_model:
            found[name] = check.run(evidence.with_found(found))
        progress.advance(note=name)
    return found


def _as_decided(pictures: Sequence[Picture], edits: by_hand.Edits) -> list[Picture]:
    """Return the pictures as they would be if the edits were in the log of decisions already."""
    made = {(one.label, one.image_id): one for one in edits.decisions}
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
        textured=packaged and _asks_heads(config),
        progress=progress,
    )
