"""Queries files: what people write, and what they are told when it cannot be used."""

import pytest

from imgkit.errors import UsageError
from imgkit.harvest.queries import read_queries


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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(b"", "is empty. Nothing was changed.", id="empty"),
        pytest.param(b"# nothing\n", "is empty. Nothing was changed.", id="only a comment"),
        pytest.param(b"label,query\n", "has a header and no queries.", id="only a header"),
        pytest.param(
            b"coral snake\nking snake\n", "has no column 'query' (its first line reads: coral snake)", id="words"
        ),
        pytest.param(b"label,query\nk\xf6nig,x\n", "line 2, is not UTF-8 text (byte 0xF6)", id="Latin-1"),
        pytest.param("label,query\na,b\n".encode("utf-16"), "line 1, is not UTF-8 text (byte 0xFF)", id="UTF-16"),
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
    with pytest.raises(UsageError, match="is a folder, not a file"):
        read_queries(tmp_path)
