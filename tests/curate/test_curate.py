import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from drawn_photos import flat, photo
from PIL import ImageOps

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate, undo
from imgkit.errors import LockedError, UsageError
from imgkit.manifest import Decision, Manifest, exclusive_access
from imgkit.progress import Silent

LABELS = ("coral", "king")


@pytest.fixture
def harvest(builder):
    """Two labels of eight pictures; coral has a mirrored copy, king a flat one, and both hold one same picture."""
    for number, label in enumerate(LABELS):
        for seed in range(8):
            builder.add(label, photo(100 * number + seed), license="CC0", author="A. Person")
    builder.add("coral", ImageOps.mirror(photo(0)))
    builder.add("king", flat())
    builder.add("coral", photo(500))
    builder.add("king", photo(500))
    return builder


@pytest.fixture
def config(harvest):
    return CurateConfig(data=harvest.folder.root, weights="none")


def tree(folder):
    """Every file below a folder with its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pictures_in(folder):
    return {name for name in tree(folder) if name.endswith(".jpg")}


def rows_of(folder):
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return {row["file_name"]: row for row in csv.DictReader(file)}


def test_copies_flat_pictures_and_conflicts_stay_out_of_the_set(harvest, config):
    report = curate(config)

    assert report.totals["in_set"] == 16
    coral, king = report.labels
    assert dict(coral.left_out) == {"bad.conflict": 1, "dup.near": 1}
    assert dict(king.left_out) == {"bad.conflict": 1, "img.blank": 1}
    assert len(pictures_in(harvest.folder.curated)) == 16


def test_every_picture_is_in_exactly_one_place(config):
    report = curate(config)

    for row in report.labels:
        assert row.harvested == row.kept + row.moved_out + sum(row.left_out.values())
        assert row.in_set == row.kept + row.moved_in == sum(row.splits.values())


def test_no_group_of_copies_crosses_the_split_even_when_a_person_keeps_two(harvest, config):
    curate(config)
    copy = next(key for key, one in harvest.manifest.judgements().items() if one.reason == "dup.near")
    harvest.manifest.decide([Decision(image_id=copy[1], label=copy[0], action="keep")])

    report = curate(config)

    rows = rows_of(harvest.folder.curated)
    groups = [row["group"] for row in rows.values()]
    assert len(groups) - len(set(groups)) == 1
    assert len({(row["group"], row["split"]) for row in rows.values()}) == len(set(groups))
    assert report.crossing == 0


def test_the_table_names_each_file_of_the_set_with_its_source(harvest, config):
    curate(config)

    rows = rows_of(harvest.folder.curated)
    assert set(rows) == pictures_in(harvest.folder.curated)
    row = rows[min(rows)]
    assert list(row) == [
        "file_name", "label", "split", "group", "source_url", "page_url", "provider", "author", "license",
        "license_url", "sha256", "width", "height",
    ]  # fmt: skip
    assert (row["label"], row["author"], row["license"], row["provider"]) == ("coral", "A. Person", "CC0", "openverse")
    assert row["split"] in ("train", "validation", "test")


def test_a_second_curate_of_the_same_writes_nothing(harvest, config):
    curate(config)
    before = {path: path.stat().st_mtime_ns for path in harvest.folder.curated.rglob("*")}

    curate(config)

    assert {path: path.stat().st_mtime_ns for path in harvest.folder.curated.rglob("*")} == before


def test_the_same_input_gives_the_same_table_whatever_the_cache(harvest, config):
    curate(config)
    table = (harvest.folder.curated / "metadata.csv").read_bytes()
    for file in harvest.folder.cache.rglob("*.npz"):
        file.write_bytes(b"damaged")
    (harvest.folder.curated / "metadata.csv").parent.rename(harvest.folder.root / "elsewhere")

    curate(config)

    assert (harvest.folder.curated / "metadata.csv").read_bytes() == table


def test_a_dry_run_says_the_same_and_writes_nothing(harvest, config):
    planned = curate(config, dry_run=True)

    assert not harvest.folder.curated.exists()
    assert harvest.manifest.judgements() == {}
    assert planned.totals == curate(config).totals


def test_undo_puts_the_tree_back_byte_for_byte_and_again_undoes_the_undo(harvest, config):
    curate(config)
    first = tree(harvest.folder.curated)
    verdicts = harvest.manifest.judgements()
    harvest.add("coral", photo(900))
    curate(config)
    second = tree(harvest.folder.curated)

    assert undo(config)
    assert tree(harvest.folder.curated) == first
    assert harvest.manifest.judgements() == verdicts

    assert undo(config)
    assert tree(harvest.folder.curated) == second


def test_the_undo_of_the_first_curate_leaves_no_set_and_can_be_undone(harvest, config):
    curate(config)
    before = tree(harvest.folder.curated)

    assert not undo(config)
    assert not harvest.folder.curated.exists()

    assert undo(config)
    assert tree(harvest.folder.curated) == before


def test_undo_without_a_curate_says_what_to_do(config):
    with pytest.raises(UsageError, match=r"no curate to undo.*imgkit curate"):
        undo(config)


def test_a_decision_of_a_person_outranks_the_machine_and_survives_the_next_curate(harvest, config):
    curate(config)
    conflict = next(key for key, one in harvest.manifest.judgements().items() if one.reason == "bad.conflict")
    harvest.manifest.decide(
        [
            Decision(image_id=conflict[1], label="king", action="keep"),
            Decision(image_id=conflict[1], label="coral", action="reject"),
        ]
    )

    for _ in range(2):
        curate(config)

        assert f"king/{conflict[1]}.jpg" in pictures_in(harvest.folder.curated)
        assert f"coral/{conflict[1]}.jpg" not in pictures_in(harvest.folder.curated)


def test_once_a_person_kept_one_label_of_a_picture_the_other_is_rejected(harvest, config):
    curate(config)
    conflict = next(key for key, one in harvest.manifest.judgements().items() if one.reason == "bad.conflict")
    harvest.manifest.decide([Decision(image_id=conflict[1], label="king", action="keep")])

    curate(config)

    assert harvest.manifest.judgements()["coral", conflict[1]].verdict == "reject"


def test_when_a_person_finds_another_copy_better_than_the_best_it_takes_its_place(harvest, config):
    curate(config)
    copy = next(key for key, one in harvest.manifest.judgements().items() if one.reason == "dup.near")
    found = next(one for one in harvest.manifest.findings(check="near"))
    best = Decision(image_id=found.detail["copy_of"], label="coral", action="reject", reason="dup.near")
    harvest.manifest.decide([best])

    curate(config)

    assert f"coral/{copy[1]}.jpg" in pictures_in(harvest.folder.curated)


def test_originals_and_harvested_files_are_never_touched(harvest, config):
    before = tree(harvest.folder.harvested)

    curate(config)
    undo(config)

    assert tree(harvest.folder.harvested) == before


def test_a_missing_harvested_file_is_left_out_and_named(harvest, config):
    item = harvest.manifest.items(label="coral")[0]
    harvest.folder.harvested_file("coral", item.image_id).unlink()

    report = curate(config)

    assert dict(report.labels[0].left_out)["img.truncated"] == 1
    assert harvest.manifest.judgements()["coral", item.image_id].detail == "the file is gone"


def test_a_folder_of_somebody_else_is_refused_and_untouched(harvest, config):
    harvest.folder.curated.mkdir()
    (harvest.folder.curated / "thesis.txt").write_text("mine")

    with pytest.raises(UsageError, match="not made by imgkit"):
        curate(config)

    assert tree(harvest.folder.curated) == {"thesis.txt": b"mine"}


def test_a_data_folder_without_pictures_says_which_command_comes_first(tmp_path):
    with Manifest.open(tmp_path / "empty"):
        pass

    with pytest.raises(UsageError, match="Run first: imgkit harvest"):
        curate(CurateConfig(data=tmp_path / "empty", weights="none"))


def test_a_second_curate_at_the_same_time_is_refused(harvest, config):
    owner = rf"another curate \(pid {os.getpid()}, started "
    with exclusive_access(harvest.folder.locks, "curate"), pytest.raises(LockedError, match=owner):
        curate(config)


@pytest.mark.parametrize("title", ["checking", "writing the set and its report"])
def test_pictures_cannot_be_removed_while_a_curate_runs_and_are_gone_from_the_next_set(harvest, config, title):
    from imgkit.harvest.remove import RemovalRequest, remove

    victim = harvest.manifest.items()[0].image_id
    refused = []

    class Meanwhile(Silent):
        def start(self, name, total=None):
            if name == title:
                with pytest.raises(LockedError, match=rf"curate \(pid {os.getpid()}, started .* Nothing was changed"):
                    remove(config.data, RemovalRequest(sha256s=(victim,)))
                refused.append(name)

    curate(config, progress=Meanwhile())
    assert refused == [title]
    assert any(victim in name for name in pictures_in(harvest.folder.curated))

    remove(config.data, RemovalRequest(sha256s=(victim,)))
    curate(config)
    assert not any(victim in name for name in tree(harvest.folder.curated))


@pytest.mark.parametrize("command", [curate, undo])
def test_neither_curate_nor_its_undo_starts_while_pictures_are_removed(harvest, config, command):
    curate(config)
    before = tree(harvest.folder.root)

    with (
        exclusive_access(harvest.folder.locks, "remove"),
        pytest.raises(LockedError, match=r"^remove .* Nothing was changed"),
    ):
        command(config)

    assert tree(harvest.folder.curated) == {
        name.removeprefix("curated/"): one for name, one in before.items() if name.startswith("curated/")
    }


def test_a_killed_curate_leaves_the_old_set_or_the_new_and_the_next_one_finishes(harvest, config):
    curate(config)
    old = tree(harvest.folder.curated)
    harvest.add("coral", photo(900))
    program = (
        "import sys; from pathlib import Path; from imgkit.curate.pipeline import curate; "
        "from imgkit.curate.config import CurateConfig; "
        "print('go', flush=True); curate(CurateConfig(data=Path(sys.argv[1]), weights='none'))"
    )
    for delay in (0.02, 0.08, 0.2):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(config.data)], stdout=subprocess.PIPE, env={**os.environ}
        )
        assert child.stdout.readline() == b"go\n"
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        here = tree(harvest.folder.curated) if harvest.folder.curated.exists() else None
        assert here is None or here == old or len([name for name in here if name.endswith(".jpg")]) == 17

    report = curate(config)

    assert report.totals["in_set"] == 17
    assert len(pictures_in(harvest.folder.curated)) == 17
    assert not harvest.folder.curated_next.exists()


def test_the_model_finds_a_wrong_label_and_ranks_an_off_topic_picture_first(builder, photos):
    species = sorted((photos / "monkeys").iterdir())[:2]
    for folder in species:
        for file in sorted(folder.iterdir())[:30]:
            builder.add(folder.name, file.read_bytes())
    wrong = builder.add(species[0].name, sorted(species[1].iterdir())[40].read_bytes())
    alien = builder.add(species[0].name, (photos / "offtopic" / "n03792782_mountain_bike.JPEG").read_bytes())

    curate(CurateConfig(data=builder.folder.root, weights="packaged", device="cpu"))

    judgements = builder.manifest.judgements()
    assert judgements[species[0].name, wrong].reason == "bad.label"
    assert judgements[species[0].name, wrong].suggested == species[1].name
    assert builder.manifest.findings(check="offtopic")[0].image_id == alien


def test_the_report_says_the_same_in_both_forms(harvest, config):
    report = curate(config)

    facts = json.loads((harvest.folder.curated / "report.json").read_text(encoding="utf-8"))
    page = (harvest.folder.curated / "report.html").read_text(encoding="utf-8")
    assert facts["totals"] == dict(report.totals)
    assert f"<h1>{report.totals['in_set']} of {report.totals['harvested']} harvested pictures" in page
