"""Tables of predictions carry every name whole, and none that a terminal would act on."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.escaping import escaped, unescaped
from imgkit.models.predict import Guess, Prediction, as_csv, as_jsonl

NAMES = {
    "\x1b[31mred.png": r"\x1b[31mred.png",
    "a\rb\n.png": r"a\x0db\x0a.png",
    "\x9b2J.png": r"\u009b2J.png",
    "na\udce9.png": r"na\xe9.png",
    "\u202egnp.exe": r"\u202egnp.exe",
    r"\x1b.png": r"\\x1b.png",
    "蛇 né.png": "蛇 né.png",
}


def predictions():
    return [Prediction(path=Path(name), guesses=(Guess("cor\x07al", 0.5),)) for name in NAMES]


def test_a_csv_of_predictions_has_each_name_escaped_and_reversible():
    rows = list(csv.DictReader(io.StringIO(as_csv(predictions()))))

    assert [row["path"] for row in rows] == list(NAMES.values())
    assert [unescaped(row["path"]) for row in rows] == list(NAMES)
    assert {row["label_1"] for row in rows} == {r"cor\x07al"}


def test_json_lines_of_predictions_have_each_name_escaped_and_the_same_when_read():
    text = as_jsonl(predictions())

    assert not [sign for sign in text if not sign.isprintable() and sign != "\n"]
    assert [json.loads(line)["path"] for line in text.splitlines()] == list(NAMES)


@pytest.mark.parametrize("form", [as_csv, as_jsonl])
def test_a_table_of_predictions_is_utf_8_whatever_the_bytes_of_a_name(form):
    form(predictions()).encode("utf-8")


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_an_escaped_text_comes_back(text):
    plain = escaped(text)

    assert unescaped(plain) == text
    assert not [sign for sign in plain if ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 or 0xD800 <= ord(sign) < 0xE000]
