"""Words about a picture that tell art, text and goods."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_photos import photo

from imgkit.curate.checks import describe, words
from imgkit.curate.config import CurateConfig
from imgkit.curate.context import CheckContext
from imgkit.curate.copies.fingerprints import RECORD
from imgkit.curate.copies.grouping import Copies
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.pipeline import curate
from imgkit.curate.ranking.lexicon import SHIPPED, Hit, hits_of, log_odds, read_lexicon, words_in
from imgkit.errors import UsageError
from imgkit.manifest import Candidate
from imgkit.manifest.nouns import Proposal
from imgkit.progress import Silent


def picture(number=0, *, label="coral", **said):
    image_id = f"{number:020x}"
    proposal = Proposal(url=said.pop("url", f"https://example.org/{number}.jpg"), rank=number, **said)
    source = Candidate(id=number, label=label, query_id=1, provider="bing", round=0, proposal=proposal)
    return ItemPicture(
        label=label, image_id=image_id, path=Path("x.jpg"), file_sha256=image_id, sha256=image_id,
        width=9, height=9, bytes=9, label_now=label, source=source,
    )  # fmt: skip


@pytest.fixture
def lexicon(tmp_path):
    return read_lexicon(tmp_path)


@pytest.mark.parametrize(
    ("said", "hit"),
    [
        ({"title": "Coral CLIP-ART for you"}, Hit("clip art", "drawings", "title")),
        ({"tags": "snake, Zeichnung"}, Hit("zeichnung", "drawings", "tags")),
        ({"page_url": "https://example.org/coral/clipart-12"}, Hit("clipart", "drawings", "page")),
        ({"url": "https://example.org/a/coral_drawing2.jpg"}, Hit("drawing", "drawings", "file name")),
        ({"url": "file:///drawings/clipart%20coral.jpg"}, Hit("clipart", "drawings", "file name")),
    ],
)
def test_an_entry_is_found_where_it_stands(lexicon, said, hit):
    assert hit in hits_of(picture(**said), lexicon)


def test_folders_of_this_machine_and_the_name_of_the_label_say_nothing(lexicon):
    assert hits_of(picture(url="file:///home/me/clipart/coral.jpg"), lexicon) == []
    assert hits_of(picture(label="clip art", title="clip art"), lexicon) == []
    assert hits_of(replace(picture(), source=None), lexicon) == []


def test_a_part_of_a_word_is_no_hit(lexicon):
    assert hits_of(picture(title="a withdrawing room, iconic"), lexicon) == []


def test_words_are_compared_without_case_and_accents():
    assert words_in("Über-Größe, DIBUJO_n2") == ["uber", "grosse", "dibujo", "n2"]


def test_a_person_adds_entries_and_takes_them_out(tmp_path):
    (tmp_path / "words.csv").write_text("kind,where,text\ngoods,word,Mug\nnone,word,clip art\n", encoding="utf-8")

    own = read_lexicon(tmp_path)

    assert hits_of(picture(title="coral mug, clip art"), own) == [Hit("mug", "goods", "title")]


def test_an_entry_that_is_none_is_refused_with_its_line(tmp_path):
    (tmp_path / "words.csv").write_text("kind,where,text\ngoods,word,mug\nbad,word,x\n", encoding="utf-8")

    with pytest.raises(UsageError, match=r"words\.csv, line 3: not an entry of the lexicon"):
        read_lexicon(tmp_path)


def test_a_bad_line_is_refused_before_any_picture_is_looked_at(builder):
    builder.add("coral", photo(1))
    (builder.folder.root / "words.csv").write_text("kind,where,text\nbad,word,x\n", encoding="utf-8")
    told = []

    class Telling(Silent):
        def start(self, what, total=None):
            told.append(what)

    with pytest.raises(UsageError, match="line 2"):
        curate(CurateConfig(data=builder.folder.root, weights="none"), progress=Telling())
    assert told == []


def test_words_of_drawings_that_are_wanted_say_nothing(tmp_path):
    assert hits_of(picture(title="coral clip art"), read_lexicon(tmp_path, without=("drawings",))) == []


def test_the_shipped_entries_are_folded_distinct_and_of_known_kinds():
    rows = SHIPPED.read_text(encoding="utf-8").splitlines()

    assert rows[0] == "kind,where,text"
    assert len(rows) == len(set(rows)) > 100
    assert {row.split(",")[0] for row in rows[1:]} == {"drawings", "text", "goods"}


@pytest.mark.parametrize(
    ("kinds", "odds"),
    [((), 0.0), (("text",), 1.7), (("text", "drawings"), 3.1), (("goods",) * 3, 3.4), (("goods",) * 9, 4.0)],
)
def test_the_strongest_hit_counts_in_full_and_each_further_one_a_little(kinds, odds):
    assert log_odds([Hit(f"{n}", kind, "title") for n, kind in enumerate(kinds)]) == pytest.approx(odds)


def context_of(pictures, folder):
    return CheckContext(
        pictures=pictures,
        fingerprints=np.zeros(len(pictures), RECORD),
        copies=Copies(same=(), near=(), best=(), related=(), pairs=()),
        config=CurateConfig(data=folder),
        cache=folder,
    )


def test_a_word_that_a_third_of_a_label_has_says_nothing_about_any_of_it(tmp_path):
    def found(telling):
        pictures = [picture(n, title="clip art" if n < telling else "") for n in range(10)]
        return [int(one.image_id, 16) for one in words.run(context_of(pictures, tmp_path))]

    assert found(2) == [0, 1]
    assert found(3) == []


def test_a_finding_says_where_the_words_stand(tmp_path):
    context = context_of([picture(n, title="a drawing" if n == 1 else "") for n in range(9)], tmp_path)

    (found,) = words.run(context)

    assert describe(found) == "title says “drawing”"
    assert context.measured["words"].tolist() == [0.0, 2.4] + [0.0] * 7
