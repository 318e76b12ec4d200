"""Queries files: what people write, and what they are told when it cannot be used."""

import json

import pytest

from imgkit.errors import UsageError
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import Ready, SearchQuery
from imgkit.harvest.queries import read_arguments, read_queries, save_queries


@pytest.fixture
def read(tmp_path):
    def read(text, name="snakes.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_queries(path)

    return read


@pytest.fixture
def refused(read):
    def refused(text, name="snakes.csv"):
        with pytest.raises(UsageError) as error:
            read(text, name)
        assert error.value.exit_code == 2
        return str(error.value)

    return refused


def test_only_a_query_is_needed_and_the_label_is_its_slug(read):
    (query,) = read("query\nking snake -toy\n").queries

    assert (query.label, query.name, query.text) == ("king_snake", "king snake", "king snake -toy")
    assert (query.exclude, query.providers, query.limit, query.licences) == (("toy",), (), None, ())


def test_all_columns_are_read_under_either_name(read):
    (query,) = read(
        "class,query,exclude,provider,limit,licence,note\n"
        'coral,Micrurus fulvius,"toy; milk snake",bing flickr,80,cc-by; CC0,mine\n'
    ).queries

    assert (query.label, query.exclude, query.providers) == ("coral", ("toy", "milk snake"), ("bing", "flickr"))
    assert (query.limit, query.licences) == (80, ("by", "cc0"))


def test_rows_with_the_same_label_belong_together(read):
    queries = read("label,query\ncoral snake,Micrurus fulvius\ncoral snake,coral snake\n").queries

    assert [query.label for query in queries] == ["coral_snake", "coral_snake"]
    assert [query.text for query in queries] == ["Micrurus fulvius", "coral snake"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("label,query\ncoral,coral snake\n", id="commas"),
        pytest.param("label;query\ncoral;coral snake\n", id="semicolons"),
        pytest.param("label\tquery\ncoral\tcoral snake\n", id="tabs"),
        pytest.param("\ufefflabel,query\ncoral,coral snake\n", id="a byte-order mark"),
        pytest.param("label,query\r\ncoral,coral snake\r\n", id="Windows line ends"),
        pytest.param("label,query\rcoral,coral snake\r", id="old Mac line ends"),
        pytest.param("label,query\ncoral,coral snake", id="no final newline"),
        pytest.param("Label , Query \ncoral,  coral   snake \n", id="space around values"),
        pytest.param('label,query\n"coral","coral snake"\n', id="quotes"),
        pytest.param('label,query\ncoral, "coral snake"\n', id="quotes after a space"),
        pytest.param('# snakes, mine\n\nlabel,query\n  # a "comment\n,\ncoral,coral snake,\n', id="comments and gaps"),
        pytest.param('label,query\ncoral,"coral\nsnake"\n', id="a line break inside quotes"),
    ],
)
def test_a_table_is_read_however_it_was_written(read, text):
    (query,) = read(text).queries

    assert (query.label, query.text) == ("coral", "coral snake")


def test_a_quoted_phrase_and_excluded_words_inside_a_query_are_passed_through(read):
    (query,) = read('label,query,exclude\ncoral,"coral snake" -king -"milk snake",Toy\n').queries

    assert query.text == '"coral snake" -king -"milk snake"'
    assert query.exclude == ("Toy", "king", "milk snake")


def test_doubled_quotes_are_quotes(read):
    (query,) = read('query,exclude\n"guitar ""les paul""",toy plush\n').queries

    assert (query.text, query.exclude) == ('guitar "les paul"', ("toy", "plush"))


def test_a_fastclass_file_keeps_its_meaning_and_says_so(read):
    file = read("searchterm,exclude\ngibson les paul guitar, guitar\nking snake -toy,\n")

    assert [(query.label, query.text) for query in file.queries] == [
        ("gibson_les_paul", "gibson les paul guitar"),
        ("king_snake", "king snake -toy"),
    ]
    assert [query.exclude for query in file.queries] == [(), ("toy",)]
    (notice,) = file.notices
    assert "fastclass" in notice


def test_a_list_of_addresses_becomes_one_query_for_each_label(read, tmp_path):
    file = read("url,label\nhttps://h.test/1.jpg,coral\nhttps://h.test/2.jpg,king\nhttps://h.test/3.jpg,coral\n")

    assert [(query.label, query.providers) for query in file.queries] == [("coral", ("urls",)), ("king", ("urls",))]
    assert {query.text for query in file.queries} == {str(tmp_path / "snakes.csv")}


def test_json_lines_are_read_too(read):
    file = read('{"query": "coral snake", "label": "coral", "max": 5}\n{"query": "king snake"}\n', "q.jsonl")

    assert [(query.label, query.limit) for query in file.queries] == [("coral", 5), ("king_snake", None)]


def test_the_path_of_a_folder_is_looked_for_beside_the_queries_file(read, tmp_path):
    (tmp_path / "my pictures").mkdir()

    (query,) = read("label,query,providers\nbears,my pictures,folder\n").queries

    assert query.text == str((tmp_path / "my pictures").resolve())


def test_the_path_of_a_folder_is_looked_for_from_here_next(read, tmp_path, monkeypatch):
    (tmp_path / "elsewhere" / "pictures").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")

    (query,) = read("query,providers\npictures,folder\n").queries

    assert (query.label, query.text) == ("pictures", str((tmp_path / "elsewhere" / "pictures").resolve()))


def test_a_list_of_addresses_in_a_row_without_a_label_gives_its_labels(read, tmp_path):
    (tmp_path / "list.csv").write_text("url,label\nhttps://h.test/1,coral snake\nhttps://h.test/2,king\n")

    queries = read("query,providers\nlist.csv,urls\n").queries

    assert [(query.label, query.name) for query in queries] == [("coral_snake", "coral snake"), ("king", "king")]


def test_a_repeated_row_and_an_unknown_column_are_mentioned(read):
    file = read("label,query,colour\na,x,red\na,x,blue\n")

    assert len(file.queries) == 1
    assert file.notices == ("columns without a meaning here: colour", "line 3 repeats line 2 and is left out.")


def test_all_problems_come_in_one_message_with_their_lines(refused, tmp_path):
    message = refused(
        "label,query,providers,max,license\n"
        "coral,coral snake,bingo,many,\n"
        "king,,,0,wtfpl\n"
        "???,???,,,\n"
        "bears,nowhere,folder,,\n"
        "milk,snake, red,,,,x\n"
    )

    assert message.startswith(
        f"{tmp_path / 'snakes.csv'} has 8 problems:\n  line 2: provider 'bingo' is not known. Choose from: bing,"
    )
    for part in (
        "line 2: max is 'many'; it is a whole number above 0",
        "line 3: no query.",
        "line 3: max is '0'",
        "line 3: licence 'wtfpl' is not known.",
        "line 4: no folder can be named after '???'.",
        "line 5: 'nowhere' does not exist (looked at ",
        "line 6: 7 values for 5 columns. Put double quotes around",
    ):
        assert f"\n  {part}" in message
    assert message.endswith("Nothing was changed. Correct this and run the same command again.")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("coral snake", "coral_snake", id="a space and an underscore"),
        pytest.param("Coral", "coral", id="case, which some file systems do not keep apart"),
        pytest.param("ﬁsh", "fish", id="a ligature"),
        pytest.param("a" * 100 + "b", "a" * 100 + "c", id="long names that are cut"),
    ],
)
def test_two_labels_that_would_share_a_folder_are_refused_with_both_lines(refused, first, second):
    message = refused(f"label,query\n{first},x\n{second},y\n")

    assert f"line 3: label '{second}' would share the folder" in message
    assert f"with label '{first}' of line 2" in message


def test_an_excluded_word_that_is_in_the_query_is_warned_of(read):
    notices = read('query,exclude\nking snake,"toy; King"\nking snake -king,\nkingfisher,king\n').notices

    (first, second) = notices
    assert first.startswith("line 2: the excluded word 'King' is in the query 'king snake'")
    assert second.startswith("line 3: the excluded word 'king' is in the query 'king snake -king'")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(b"", "is empty. Nothing was changed.", id="empty"),
        pytest.param(b"# nothing\n", "is empty. Nothing was changed.", id="only a comment"),
        pytest.param(b"label,query\n", "has a header and no queries.", id="only a header"),
        pytest.param(b"coral snake\nking snake\n", "has no column 'query', and none of addresses or files", id="words"),
        pytest.param(
            "label,query\nx,珊瑚蛇眼镜\n".encode("gbk"),
            "line 2, is not UTF-8 text (byte 0xBA)",
            id="a Chinese code page",
        ),
        pytest.param(b"label,query\na\0,b\n", "line 2, holds a zero byte", id="zero bytes"),
        pytest.param(
            b'label,query\na,b\nc,"d\ne,f\ng,h\n', "line 3: a double quote is opened and never closed", id="open quote"
        ),
        pytest.param(b"query,providers\nx,bing;folder\n", "is a path, so it stands alone", id="a path and words"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_one_sentence(refused, text, sentence):
    assert sentence in refused(text)


def test_a_file_that_is_absent_or_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_queries(tmp_path / "absent.csv")
    with pytest.raises(UsageError, match="holds no folder with files in it"):
        read_queries(tmp_path)


# what people write: other programs' dialects, lists, and slips


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("label,query\nkönig,Königsnatter\n".encode("cp1252"), id="Windows-1252 of a spreadsheet"),
        pytest.param("label\tquery\nkönig\tKönigsnatter\n".encode("utf-16"), id="Unicode text of a spreadsheet"),
        pytest.param("sep=;\nlabel;query\nkönig;Königsnatter\n", id="a line that names the delimiter"),
        pytest.param("label|query\nkönig|Königsnatter\n", id="bars"),
        pytest.param('"label","query"\n“könig”,“Königsnatter”\n'.replace("“K", "K").replace("r”", "r"), id="“quotes”"),
        pytest.param("Label\u200b,QUERY\xa0\nkönig\xa0,\xa0Königsnatter\n", id="invisible spaces"),
    ],
)
def test_the_dialects_and_encodings_of_spreadsheets_are_read(read, text):
    (query,) = read(text).queries

    assert (query.name, query.text) == ("könig", "Königsnatter")


def test_a_guessed_encoding_is_said(read):
    (notice,) = read("label,query\nkönig,x\n".encode("cp1252")).notices

    assert "was read as Windows-1252" in notice


def test_a_value_in_typographic_quotes_may_hold_the_delimiter(read):
    (query,) = read("label,query,exclude\ncoral,coral snake,“toy, plush”\n").queries

    assert query.exclude == ("toy", "plush")


def test_typographic_quotes_and_dashes_of_a_query_are_plain_ones(read):
    (query,) = read("label,query\ncoral,“coral snake” –king —toy\n").queries

    assert (query.text, query.exclude) == ('"coral snake" -king -toy', ("king", "toy"))


def test_a_number_sign_begins_a_comment_only_where_nothing_is_lost_by_it(read):
    file = read(
        'label,query\n#2 pencil,yellow pencil\n"#hashtag",x\n#NAME?,y\n# a comment, really\n#king,z\n'
        'fern,"curled\n#up fern"\n'
    )

    assert [query.name for query in file.queries] == ["#2 pencil", "#hashtag", "#NAME?", "fern"]
    assert file.queries[3].text == "curled #up fern"
    assert file.notices == (
        "line 6 begins with # and is left out as a comment: #king,z (put it in quotes to keep it)",
        "line 4: the label is '#NAME?', which a spreadsheet shows for a formula. Is it what you wrote?",
    )


def test_a_query_that_a_spreadsheet_broke_is_refused(refused):
    assert "line 2: the query is '#NAME?', which a spreadsheet shows" in refused("label,query\nsnake,#NAME?\n")


def test_a_quote_that_is_never_closed_costs_only_its_own_row(refused):
    message = refused('label,query\na,b\nc,"d\ne,"f g" h\ni,j\n')

    assert message.count("line ") == 1
    assert "line 3: a double quote is opened and never closed" in message


ADDRESSES = ["https://h.test/fill/w_1,h_2/a.jpg", "https://h.test/b 2.jpg"]


@pytest.mark.parametrize(
    ("name", "text", "label"),
    [
        pytest.param("bats.txt", "\n".join(ADDRESSES), "bats", id="addresses alone"),
        pytest.param("bats.csv", "url\n" + "\n".join(ADDRESSES), "bats", id="one column, commas in the addresses"),
        pytest.param("x.csv", "".join(f"{one},bat\n" for one in ADDRESSES), "bat", id="no header, a label behind"),
        pytest.param("x.txt", "".join(f"bat\t{one}\n" for one in ADDRESSES), "bat", id="no header, a label before"),
        pytest.param("x.csv", "url,label\n" + "".join(f"{one},bat\n" for one in ADDRESSES), "bat", id="two columns"),
        pytest.param("x.csv", "label,url\n" + "".join(f"bat,{one}\n" for one in ADDRESSES), "bat", id="the other way"),
        pytest.param(
            "x.json", json.dumps([{"Image URL": one, "class": "bat"} for one in ADDRESSES]), "bat", id="a JSON list"
        ),
        pytest.param(
            "x.csv",
            "id,url,image_url,description,scientific_name\n"
            + "".join(f'{n},https://p.test/{n},"{one}","a\n# b, c",bat\n' for n, one in enumerate(ADDRESSES)),
            "bat",
            id="an export of observations",
        ),
    ],
)
def test_a_list_of_addresses_is_read_as_people_have_them(read, name, text, label):
    file = read(text, name)

    (query,) = file.queries
    (page,) = PROVIDERS["urls"].pages(SearchQuery(text=query.text, label=query.label), None, None, Ready())
    assert (query.name, query.providers) == (label, ("urls",))
    assert [one.url for one in page.proposals] == ADDRESSES


def test_one_row_that_cannot_be_read_does_not_stop_a_list(read):
    file = read("url,label\nhttps://h.test/1.jpg,cat\nhttps://h.test/2.jpg,cat,b,c\n")

    assert [query.label for query in file.queries] == ["cat"]
    (notice,) = file.notices
    assert "1 row cannot be read and are left out: line 3: 4 values for 2 columns." in notice


@pytest.mark.parametrize("column", ["path", "file_name", "Image Path", "filename"])
def test_a_table_of_files_is_adopted(read, tmp_path, column):
    (query,) = read(f"{column},label\nmy  photos/a.jpg,cat\nb.jpg,cat\n").queries

    (page,) = PROVIDERS["files"].pages(SearchQuery(text=query.text, label="cat"), None, None, Ready())
    assert query.providers == ("files",)
    assert [one.url for one in page.proposals] == [
        (tmp_path / "my  photos" / "a.jpg").as_uri(), (tmp_path / "b.jpg").as_uri(),
    ]  # fmt: skip
    assert [one.title for one in page.proposals] == ["my  photos/a.jpg", "b.jpg"]


def test_a_folder_of_label_folders_is_one_query_for_each(tmp_path):
    for name in (
        "king snake/1.jpg",
        "coral  snake/a/2.jpg",
        "loose.jpg",
        ".git/3.jpg",
        "__MACOSX/4.jpg",
        "empty/.keep",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    file = read_queries(tmp_path)

    assert [(query.label, query.text) for query in file.queries] == [
        ("coral_snake", str(tmp_path / "coral  snake")), ("king_snake", str(tmp_path / "king snake")),
    ]  # fmt: skip
    assert {query.providers for query in file.queries} == {("folder",)}
    assert "1 pictures beside the label folders have no label" in file.notices[1]


def test_label_folders_below_train_and_test_are_labels_too(tmp_path):
    for name in ("train/cat/1.jpg", "test/cat/2.jpg", "train/dog/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert [query.label for query in read_queries(tmp_path).queries] == ["cat", "cat", "dog"]


def test_a_path_may_hold_two_spaces(read, tmp_path):
    (tmp_path / "My  Photos").mkdir()

    (query,) = read("label,query,providers\nmine,My  Photos,folder\n").queries

    assert query.text == str(tmp_path / "My  Photos")


def test_words_alone_are_queries_and_are_saved_as_a_file(tmp_path):
    file = read_arguments(["coral snake", "king snake -toy"])
    save_queries(file.queries, tmp_path / "queries.csv")

    again = read_queries(tmp_path / "queries.csv")

    assert file.path is None
    assert [(query.label, query.text, query.exclude) for query in file.queries] == [
        ("coral_snake", "coral snake", ()), ("king_snake", "king snake -toy", ("toy",)),
    ]  # fmt: skip
    assert [(query.label, query.text, query.exclude) for query in again.queries] == [
        ("coral_snake", "coral snake", ()), ("king_snake", "king snake", ("toy",)),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="is there already"):
        save_queries(file.queries, tmp_path / "queries.csv")


def test_a_file_of_words_is_a_query_on_each_line(read):
    assert [query.text for query in read("coral snake\n# mine\nking snake -toy\n", "words.txt").queries] == [
        "coral snake",
        "king snake -toy",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent.csv"], "absent.csv does not exist"),
        (["a.csv", "coral snake"], "a.csv is a file, so it stands alone"),
        (["coral snake", "Coral snake"], "would share the folder"),
        (["!!"], "no folder can be named after '!!'"),
        (["list.xlsx"], "list.xlsx is a spreadsheet"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments, sentence):
    with pytest.raises(UsageError) as error:
        read_arguments(arguments)

    assert sentence in str(error.value)


def test_an_error_shows_the_header_and_the_first_rows_of_the_file_and_never_thousands_of_lines(refused):
    unknown = refused("Species,When\n" + "bat,2020\n" * 3000)
    many = refused("label,query\n" + "a,b,c,d\n" * 3000)

    assert "  Species, When\n  bat, 2020\n" in unknown
    assert unknown.count("\n") < 8
    assert "has 3,000 problems" in many
    assert "  and 2,990 more\nThe file begins:\n  label, query\n" in many
    assert many.count("\n") < 16
