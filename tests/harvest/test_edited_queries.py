"""What a queries file says is what is kept: rows that are edited, renamed, removed, and what is left alone."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from picture_shop import Shop, pictures, run, why

from imgkit.harvest import plan, queries
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.storage import candidates as harvest_candidates
from imgkit.manifest import Decision, Manifest
from imgkit.manifest.schema import APPLICATION_ID, MIGRATIONS
from item_counts import item_counts

HEADER = "label,query,exclude,providers,max,license"


@pytest.fixture(scope="module")
def shop():
    with pytest.MonkeyPatch.context() as patch:
        opened = Shop()
        known = {**opened.providers(), "urls": PROVIDERS["urls"], "folder": PROVIDERS["folder"]}
        for module in (plan, queries, harvest_candidates):
            patch.setattr(module, "PROVIDERS", known)
        import imgkit.harvest.pipeline

        patch.setattr(imgkit.harvest.pipeline, "PROVIDERS", known)
        yield opened
        opened.close()


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def write(tmp_path):
    """Write a queries file and return its path."""

    def write(*rows, name="queries.csv", header=HEADER):
        path = tmp_path / name
        path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        return path

    return write


def fresh(path, tmp_path, **more):
    """What a fresh data folder holds for the same file."""
    data = tmp_path / "fresh"
    shutil.rmtree(data, ignore_errors=True)
    run(path, data, **more)
    return pictures(data)


def test_an_excluded_word_that_is_added_takes_pictures_out_and_back_without_a_download(shop, data, write, tmp_path):
    run(write("snake,snake,,,,"), data)
    everything = pictures(data)
    asked = len(shop.asked)

    tight = run(write("snake,snake,toy,,,"), data)

    assert pictures(data) == fresh(write("snake,snake,toy,,,"), tmp_path) < everything
    assert sum(tight.changes.left.values()) == len(everything) - len(pictures(data))
    assert set(tight.changes.left) == {"policy.excluded"}
    assert tight.changes.sentences("d")[0] == (
        "4 pictures left d/harvested: 4 policy.excluded (an excluded word in title, tags or page address). Their rows "
        "and originals stay; nothing is downloaded again when they are asked for and allowed again."
    )

    asked = len(shop.asked)
    loose = run(write("snake,snake,,,,"), data)

    assert pictures(data) == everything
    assert len(shop.asked) == asked
    assert loose.changes.left == {}
    assert loose.changes.back == sum(tight.changes.left.values())


def test_a_licence_of_the_row_and_one_of_the_command_line_take_pictures_out_and_back(shop, data, write, tmp_path):
    path = write("snake,snake,,,,")
    run(path, data)
    everything, asked = pictures(data), len(shop.asked)

    by_line = run(path, data, licences=("by",))
    left_by_line, kept_by_line = dict(by_line.changes.left), pictures(data)
    run(path, data)
    assert pictures(data) == everything
    by_row = run(write("snake,snake,,,,by"), data)

    assert pictures(data) == kept_by_line
    assert by_row.changes.left == left_by_line == {"policy.licence": len(everything) - len(kept_by_line)}
    assert len(shop.asked) == asked
    assert pictures(data) == fresh(path, tmp_path) < everything


def test_a_row_that_is_removed_takes_its_pictures_out_as_query_gone(shop, data, write):
    run(write("snake,snake,,,,", "newt,newt,,,,"), data)
    snakes = {one for one in pictures(data) if one.startswith("snake/")}
    newts = pictures(data) - snakes

    report = run(write("snake,snake,,,,"), data)

    assert pictures(data) == snakes
    assert report.changes.left == {"query.gone": len(newts)}
    assert {reason for _, reason in why(data, "newt").values()} == {"query.gone"}
    assert not (data / "harvested" / "newt").exists()
    with Manifest.open_existing(data) as manifest:
        for one in manifest.images().values():
            assert manifest.folder.original(one.sha256, one.extension).exists()


def test_the_rows_of_another_file_stay_and_are_named(shop, data, write):
    first = write("snake,snake,,,,", name="first.csv")
    second = write("newt,newt,,,,", name="second.csv")
    run(first, data)
    snakes = pictures(data)

    report = run(second, data, licences=("by",))

    assert snakes < pictures(data)
    assert report.changes.left == {}
    assert report.changes.others == {str(first): ("snake",)}
    assert f"Labels that only {first} asks for stay: snake." in report.changes.sentences("d")


def test_for_the_same_label_and_query_the_newest_row_holds_whatever_file_it_is_in(shop, data, write, tmp_path):
    first, second = write("snake,snake,,,,", name="first.csv"), write("snake,snake,toy,,,", name="second.csv")
    run(first, data)
    everything = pictures(data)

    run(second, data)
    assert pictures(data) == fresh(second, tmp_path) < everything
    run(first, data)
    assert pictures(data) == everything
    run(second, data)
    run(write("newt,newt,,,,", name="second.csv"), data)

    assert {one for one in pictures(data) if one.startswith("snake/")} == everything  # first.csv asks for it still


def test_words_on_the_command_line_add_and_replace_only_the_same_words(shop, data, write):
    from harvesting import HASTY

    from imgkit.engine import InlineEngine
    from imgkit.harvest.config import HarvestConfig
    from imgkit.harvest.pipeline import harvest
    from imgkit.manifest import Query

    def ask(text, **more):
        query = Query(label=text, name=text, text=text, **more)
        config = HarvestConfig(data=data, allow_private_hosts=("127.0.0.0/8",), per_label=500, smallest_side=32)
        return harvest([query], config, environ={}, timeouts=HASTY, engine=InlineEngine())

    ask("snake")
    ask("newt")
    both = pictures(data)
    report = ask("snake", exclude=("toy",))

    assert report.changes.others == {"": ("newt",)}
    assert set(report.changes.left) == {"policy.excluded"}
    assert {one for one in both if one.startswith("newt/")} < pictures(data) < both


def test_a_limit_that_is_lowered_keeps_the_first_ones_and_raised_again_the_others_return(shop, data, write, tmp_path):
    run(write("snake,snake,,ascending,10,"), data)
    ten, asked = pictures(data), len(shop.asked)

    report = run(write("snake,snake,,ascending,3,"), data)
    assert pictures(data) == fresh(write("snake,snake,,ascending,3,"), tmp_path)
    assert report.changes.left == {"query.gone": len(ten) - 3}
    asked = len(shop.asked)
    run(write("snake,snake,,ascending,10,"), data)

    assert pictures(data) == ten
    assert len(shop.asked) == asked


def test_a_limit_that_is_raised_finds_what_its_page_held_beyond_it(shop, data, write, tmp_path):
    run(write("snake,snake,,ascending,3,"), data)  # of a page of 4

    run(write("snake,snake,,ascending,,"), data)

    assert pictures(data) == fresh(write("snake,snake,,ascending,,"), tmp_path)


def test_a_provider_that_is_named_no_more_takes_out_what_only_it_proposed(shop, data, write, tmp_path):
    run(write("snake,snake,toy,ascending;descending,4,"), data)

    run(write("snake,snake,toy,descending,4,"), data)

    assert pictures(data) == fresh(write("snake,snake,toy,descending,4,"), tmp_path)
    assert {reason for url, (_, reason) in why(data, "snake").items()} >= {"query.gone"}


def test_a_provider_that_refuses_when_a_rule_is_edited_takes_nothing_away(shop, data, write):
    run(write("snake,snake,,,,"), data)
    everything = pictures(data)
    shop.refusing = {"ascending", "descending"}
    try:
        run(write("snake,snake,mug,,,"), data)
        without_mugs = pictures(data)
    finally:
        shop.refusing = set()

    run(write("snake,snake,mug,,,"), data)

    assert without_mugs == pictures(data) < everything


def test_a_picture_that_two_queries_of_a_label_propose_stays_while_one_of_them_does(shop, data, write, tmp_path):
    run(write("snake,snake,,,,", "snake,ekans,,,,"), data)
    assert shop.results("snake") == shop.results("ekans")  # the same letters
    everything = pictures(data)

    report = run(write("snake,ekans,,,,"), data)

    assert pictures(data) == everything
    assert report.changes.left == {}


def test_a_picture_is_kept_when_one_of_two_rows_admits_it(shop, data, write, tmp_path):
    run(write("snake,snake,toy,,,", "snake,ekans,,,,"), data)
    both = pictures(data)
    shutil.rmtree(data)
    run(write("snake,ekans,,,,"), data)

    assert both == pictures(data)


def test_decisions_outlive_a_row_that_goes_and_comes(shop, data, write):
    both = ("snake,snake,,,,", "newt,newt,,,,")
    run(write(*both), data)
    with Manifest.open_existing(data) as manifest:
        newt = manifest.items(label="newt")[0].image_id
        manifest.decide([Decision(label="newt", image_id=newt, action="reject")])

    gone = run(write(both[0]), data)
    assert gone.changes.decided == 1
    run(write(*both), data)

    with Manifest.open_existing(data) as manifest:
        assert [(one.label, one.image_id, one.action) for one in manifest.decisions()] == [("newt", newt, "reject")]
        assert manifest.current_decisions()["newt", newt].action == "reject"
        assert [count.count for count in item_counts(manifest) if count.state == "reject"] == [1]


def test_a_display_name_that_changes_within_its_folder_name_is_the_new_name(shop, data, write):
    run(write("coral snake,snake,,,,"), data)
    before = pictures(data)

    report = run(write("Coral  snake!,snake,,,,".replace("Coral", "coral")), data)

    assert pictures(data) == before
    assert report.changes.left == {}
    with Manifest.open_existing(data) as manifest:
        assert manifest.labels() == {"coral_snake": "coral snake!"}


def test_a_label_written_in_another_case_is_the_same_label_with_its_decisions(shop, data, write):
    run(write("coral snake,snake,,,,"), data)
    before = {one.partition("/")[2] for one in pictures(data)}
    asked = len(shop.asked)
    with Manifest.open_existing(data) as manifest:
        image_id = manifest.items()[0].image_id
        manifest.decide([Decision(label="coral_snake", image_id=image_id, action="keep")])

    run(write("Coral Snake,snake,,,,"), data)

    assert pictures(data) == {f"Coral_Snake/{name}" for name in before}
    assert len(shop.asked) == asked
    with Manifest.open_existing(data) as manifest:
        assert manifest.labels() == {"Coral_Snake": "Coral Snake"}
        assert set(manifest.current_decisions()) == {("Coral_Snake", image_id)}


def test_a_label_in_another_case_in_a_second_file_is_refused(shop, data, write):
    from imgkit.errors import UsageError

    run(write("coral,snake,,,,", name="first.csv"), data)
    before = pictures(data)

    with pytest.raises(UsageError, match='"coral" and "Coral" share the folder name'):
        run(write("Coral,newt,,,,", name="second.csv"), data)

    assert pictures(data) == before


def test_a_renamed_label_is_recognised_and_the_command_is_offered(shop, data, write):
    run(write("snake,snake,,,,", "newt,newt,,,,"), data)
    asked = len(shop.asked)

    report = run(write("coral snake,snake,,,,", "newt,newt,,,,"), data)

    assert [(one.old, one.new) for one in report.changes.new_names] == [("snake", "coral snake")]
    assert f"imgkit labels rename snake 'coral snake' --data {data}" in report.changes.sentences(str(data))[-1]
    assert len(shop.asked) == asked


def test_a_new_label_with_the_words_of_another_files_label_is_pointed_out(shop, data, write):
    first = write("snake,snake,,,,", name="first.csv")
    run(first, data)

    report = run(write("coral,snake,,,,", name="second.csv"), data)

    assert [(one.label, one.other, one.file) for one in report.changes.same_words] == [("coral", "snake", str(first))]


def test_an_address_that_is_taken_off_a_list_leaves_and_one_that_is_edited_is_judged_anew(shop, data, write):
    at = shop.address
    rows = [f"{at}/901.jpg,snake,by", f"{at}/902.jpg,snake,by", f"{at}/903.jpg,newt,by"]
    run(write(*rows, header="url,label,license"), data)
    assert len(pictures(data)) == 3

    gone = run(write(rows[0], rows[2], header="url,label,license"), data)
    assert gone.changes.left == {"query.gone": 1}
    moved = run(write(rows[0], rows[2].replace("newt", "snake"), header="url,label,license"), data)
    assert {one.split("/")[0] for one in pictures(data)} == {"snake"}
    assert len(pictures(data)) == 2
    assert moved.changes.left == {"query.gone": 1}
    edited = run(
        write(rows[0], rows[2].replace("newt", "snake").replace("by", "arr"), header="url,label,license"),
        data,
        licences=("by",),
    )

    assert edited.changes.left == {"policy.licence": 1}
    assert len(pictures(data)) == 1


def test_a_folder_that_moved_with_its_queries_file_is_still_the_same_file(shop, tmp_path):
    (tmp_path / "project").mkdir()
    path = tmp_path / "project" / "queries.csv"
    path.write_text(f"{HEADER}\nsnake,snake,,,,\nnewt,newt,,,,\n")
    run(path, tmp_path / "project" / "data")
    (tmp_path / "project").rename(tmp_path / "elsewhere")
    path = tmp_path / "elsewhere" / "queries.csv"
    path.write_text(f"{HEADER}\nsnake,snake,,,,\n")

    report = run(path, tmp_path / "elsewhere" / "data")

    assert set(report.changes.left) == {"query.gone"}
    assert report.changes.others == {}


def test_a_manifest_of_an_earlier_version_keeps_everything_until_its_file_is_run_again(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with closing(sqlite3.connect(data / "manifest.db")) as db:
        db.executescript(f"{' '.join(MIGRATIONS[:6])} PRAGMA application_id={APPLICATION_ID};")
        db.executescript(
            "PRAGMA user_version=6; INSERT INTO label VALUES ('coral', 'coral');"
            """INSERT INTO query VALUES (1, 'coral', 'coral', '[]', '["bing"]', 9, '[]');"""
            """INSERT INTO query VALUES (2, 'coral', 'coral', '[]', '["flickr"]', NULL, '[]');"""
            """INSERT INTO query VALUES (3, 'coral', 'coral', '["toy"]', '[]', 5, '["by"]');"""
            "INSERT INTO search VALUES (1, 'bing', '1', 'ok', '', 7), (2, 'bing', '2', 'end', '', 9),"
            "(3, 'bing', '3', 'ok', '', 4);"
            "INSERT INTO candidate (id, label, query_id, provider, round, rank, url, url_key, proposal, state) "
            "VALUES (7, 'coral', 2, 'flickr', 0, 4, 'u', 'u', '{}', 'pending'),"
            "(8, 'coral', 3, 'bing', 0, 5, 'v', 'v', '{}', 'pending');"
        )

    with Manifest.open(data) as manifest:
        assert {key: (one.text, one.exclude, one.licences) for key, one in manifest.queries().items()} == {
            1: ("coral", (), ()),
            3: ("coral", ("toy",), ("by",)),
        }
        assert [(row.file, row.query_id, row.query.providers, row.query.limit) for row in manifest.rows_in_force()] == [
            ("", 3, (), None)
        ]
        assert manifest.proposed("coral") == [(7, 1, 4), (8, 3, 5)]
        assert [(one.query_id, one.provider, one.cursor, one.found) for one in manifest.search_states()] == [
            (1, "bing", 2, 9),
            (3, "bing", 3, 4),
        ]
        assert [(one.id, one.query_id) for one in manifest.candidates()] == [(7, 1), (8, 3)]
        assert manifest.check() == "ok"
        assert manifest.connection.read("PRAGMA foreign_key_check") == []
    assert (data / "manifest.db.schema6.backup").exists()


LABELS = ("snake", "newt", "toad")
ROWS = st.tuples(
    st.sampled_from(LABELS),
    st.sampled_from(["snake", "ekans", "newt", "a frog"]),
    st.sampled_from(["", "toy", "mug", "toy;mug"]),
    st.sampled_from(["", "ascending", "descending", "ascending;descending", "backwards"]),
    st.sampled_from(["", "1", "3", "9"]),
    st.sampled_from(["", "by", "by;by-sa"]),
)
FILES = st.lists(ROWS, min_size=1, max_size=4)
RUNS = st.lists(st.tuples(FILES, st.sampled_from([(), ("by",), ("by", "by-sa")])), min_size=2, max_size=4)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(runs=RUNS)
def test_a_file_that_was_edited_often_gives_what_it_gives_to_a_fresh_folder(shop, tmp_path, runs):
    data, path = tmp_path / "data", tmp_path / "queries.csv"
    shutil.rmtree(data, ignore_errors=True)
    shop.asked.clear()
    for rows, licences in runs:
        path.write_text("\n".join([HEADER, *map(",".join, rows), ""]), encoding="utf-8")
        run(path, data, licences=licences)
    kept, asked = pictures(data), list(shop.asked)
    run(path, data, licences=runs[-1][1])

    assert pictures(data) == kept  # twice gives the same as once
    assert len(asked) == len(set(asked))  # nothing is downloaded twice
    assert kept == fresh(path, tmp_path, licences=runs[-1][1])
    with Manifest.open_existing(data) as manifest:
        assert {(one.label, one.image_id) for one in manifest.items()} == {
            (one.label, one.image_id) for one in manifest.candidates() if one.state == "kept"
        }
