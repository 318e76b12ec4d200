"""Labels as folder names, excluded words, licences and filters: the small vocabularies of a harvest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.errors import UsageError
from imgkit.harvest.search import excludes, filters, licences
from imgkit.manifest.labels import slug
from imgkit.manifest.nouns import Proposal


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        pytest.param("coral snake", "coral_snake", id="spaces"),
        pytest.param("Micrurus fulvius", "Micrurus_fulvius", id="case stays"),
        pytest.param("../../etc/passwd", "etc_passwd", id="no way up"),
        pytest.param("C:\\snakes", "C_snakes", id="no drive"),
        pytest.param("king-snake", "king-snake", id="hyphens stay"),
        pytest.param("--rf", "rf", id="no option"),
        pytest.param("Königsnatter", "Königsnatter", id="umlauts"),
        pytest.param("コーラル・スネーク", "コーラル_スネーク", id="other scripts"),
        pytest.param("हिन्दी", "हिन्दी", id="marks are part of letters"),
        pytest.param("con", "con_", id="a Windows device"),
        pytest.param("LPT1", "LPT1_", id="a device in capitals"),
        pytest.param("ＡＢ", "AB", id="wide letters"),
        pytest.param("...", "", id="nothing left"),
        pytest.param("é" * 50, "é" * 40, id="80 bytes and no half letter"),
    ],
)
def test_a_label_becomes_a_folder_name(name, folder):
    assert slug(name) == folder


@given(st.text(max_size=120))
def test_every_slug_is_a_safe_name_and_its_own_slug(name):
    folder = slug(name)

    assert len(folder.encode()) <= 81
    assert not set(folder) & set('/\\.:*?"<>|\0 \n')
    assert slug(folder) == folder


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("king snake -toy", ("toy",)),
        ('-plush king -"milk snake" snake', ("plush", "milk snake")),
        ("T-shirt 12-inch - alone -", ()),
        ("", ()),
    ],
)
def test_words_with_a_minus_are_excluded(text, words):
    assert excludes.negated_words(text) == words


def test_excluded_words_are_added_once():
    text = excludes.with_negations("king snake -Toy", ("toy", "milk snake", "plush"))

    assert text == 'king snake -Toy -"milk snake" -plush'


def test_a_query_for_services_without_minus_loses_its_excluded_words():
    assert excludes.without_negations('coral -toy snake -"milk snake"') == "coral snake"


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        pytest.param("title", "A Toy snake", "toy", id="title, whatever the case"),
        pytest.param("tags", "snake,toy,red", "toy", id="tags"),
        pytest.param("page_url", "https://p.test/rubber_toy-shop/1", "toy", id="page address"),
        pytest.param("page_url", "https://p.test/milk%20snake", "milk snake", id="page address, encoded"),
        pytest.param("title", "milk_snake", "milk snake", id="phrase"),
        pytest.param("title", "Die Königsnatter!", "königsnatter", id="letters beyond ASCII"),
        pytest.param("title", "catalog toyota", "", id="only whole words"),
        pytest.param("url", "https://h.test/toy.jpg", "", id="not the picture's own address"),
    ],
)
def test_a_proposal_that_holds_an_excluded_word_is_found(field, value, word):
    proposal = Proposal(**{"url": "https://h.test/1.jpg", "rank": 1, field: value})

    assert excludes.excluded_by(proposal, ("milk snake", "königsnatter", "toy", "cat")) == word


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("by-nc-sa", "by-nc-sa"),
        ("CC BY-SA 4.0", "by-sa"),
        ("cc-by", "by"),
        ("CC BY 2.0 de", "by"),
        ("CC-BY-SA-3.0,2.5", "by-sa"),
        ("https://creativecommons.org/licenses/by-nd/2.0/", "by-nd"),
        ("http://creativecommons.org/publicdomain/zero/1.0/legalcode", "cc0"),
        ("CC0", "cc0"),
        ("Public domain", "pdm"),
        ("All rights reserved", "arr"),
        ("GFDL", ""),
        ("by-magic", ""),
        ("bystander", ""),
        ("", ""),
    ],
)
def test_licences_have_one_code(text, code):
    assert licences.code(text) == code


@given(st.text(max_size=40))
def test_any_text_has_a_code_or_none(text):
    assert licences.code(text) in {*licences.CODES, ""}


@pytest.mark.parametrize(
    ("text", "version", "written"),
    [
        ("by-sa", "2.0", "CC BY-SA 2.0"),
        ("cc-by-nc", "", "CC BY-NC"),
        ("CC BY 4.0", "", "CC BY 4.0"),
        ("GFDL 1.2", "", "GFDL 1.2"),
        ("", "", ""),
    ],
)
def test_licences_are_written_one_way_and_unknown_ones_as_they_came(text, version, written):
    assert licences.written(text, version) == written


def test_a_licence_that_is_not_known_is_not_among_those_asked_for():
    assert licences.allowed("CC BY 4.0", ("by", "cc0"))
    assert not licences.allowed("CC BY-NC 4.0", ("by", "cc0"))
    assert not licences.allowed("", ("by",))
    assert licences.allowed("", ())


def test_filters_are_read_and_translated_by_icrawlers_tables():
    wanted = filters.read_filters(["size=large", "color=red", "date=pastyear", "layout=wide"])

    assert filters.for_bing(wanted) == (
        "+filterui:imagesize-large+filterui:color2-FGcls_RED+filterui:age-lt525600+filterui:aspect-wide"
    )
    assert filters.for_google(wanted) == "isz:l,ic:specific,isc:red,qdr:y"


@pytest.mark.parametrize("option", ["size", "size=", "weight=9", "size=huge", "size=>axb=c", "type=painting"])
def test_a_filter_that_no_service_knows_is_refused(option):
    with pytest.raises(UsageError, match=r"--filter .* Nothing was changed"):
        filters.read_filters([option])
