"""Any value of the model survives its JSON; any record its line; any flipped character of a journal is found."""

import json
import sqlite3
import tempfile
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.decide.entry_window import BotDay
from rulebot.model.contract import Option
from rulebot.model.errors import StoreError
from rulebot.model.order import Order, OrderLeg
from rulebot.model.position import Position, PositionLeg
from rulebot.record.codec import decode, encode, json_text, line, record_of
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.recall import readable
from rulebot.store.registry import open_store

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
MONEY = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-99999, max_value=99999)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC), allow_imaginary=False).map(
    lambda at: at.replace(fold=0)
)
DATES = st.dates(date(2020, 1, 1), date(2035, 1, 1))
COUNTS = st.integers(0, 10**6)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: WORDS, Decimal: MONEY, datetime: TIMES, date: DATES, int: COUNTS, bool: st.booleans(), NoneType: st.none(),
}  # fmt: skip


@cache
def made(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of a hinted type; unlike `from_type` it changes nothing for other tests."""
    if kind in PLAIN:
        return PLAIN[kind]
    if get_origin(kind) is tuple:
        return st.lists(made(get_args(kind)[0]), min_size=1, max_size=3).map(tuple)
    if get_origin(kind) is frozenset:
        return st.frozensets(made(get_args(kind)[0]), max_size=3)
    if get_args(kind):
        return st.one_of(*(made(member) for member in get_args(kind)))
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: made(hints[field.name]) for field in fields(kind)})


JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.builds(Record, TIMES, st.just(Kind.VERDICT), WORDS, WORDS, st.dictionaries(WORDS, JSON, max_size=4))
VALUES = st.one_of(*(made(kind) for kind in (Order, Position, BotDay, Option, OrderLeg, PositionLeg)))


@given(VALUES)
@settings(max_examples=tries(50))
def test_values_survive_their_json(value: Order | Position | BotDay) -> None:
    data = json.loads(json_text(encode(value)))
    again = decode(type(value), data)
    assert again == value
    assert [repr(getattr(again, field.name)) for field in fields(value)] == [
        repr(getattr(value, field.name)) for field in fields(value)
    ]


@given(RECORDS)
@settings(max_examples=tries(75))
def test_records_survive_their_line(record: Record) -> None:
    text = line(record)
    assert "\n" not in text
    assert record_of(text) == record
    assert line(record_of(text)) == text


@given(st.dictionaries(WORDS, JSON, max_size=4).map(json_text), st.data())
@settings(max_examples=tries(100))
@example('{"a":"\\ud800"}', None)  # what our codec may write and the quick decoder refuses
@example('{"a":123456789012345678901234567890,"a":-0.0,"b":1e16}', None)
@example('{"a":NaN,"b":1e400} ', None)
@example('{"a":1}{', None)
@example("[1]", None)
@example("", None)
def test_a_stored_text_reads_as_the_standard_decoder_reads_it(text: str, data: st.DataObject | None) -> None:
    if data is not None and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(text)))
        text = (
            text[:place] + data.draw(st.sampled_from(["", "x", "1", "e", ".", '"', "}", ",", "\\"])) + text[place + 1 :]
        )
    found = readable("2026-10-22T14:00:00.000000Z", "verdict", "bot", "", text)
    assert repr(found.data if isinstance(found, Record) else found) == _as_the_standard_decoder_has_it(text)


def _as_the_standard_decoder_has_it(text: str) -> str:
    try:
        wanted = json.loads(text)
    except ValueError as error:
        return repr(f"it cannot be read: {error}")
    return repr(wanted if isinstance(wanted, dict) else "it cannot be read: its data is no object")


@given(st.lists(RECORDS, min_size=1, max_size=6), st.data())
@settings(max_examples=tries(10))
def test_a_flipped_character_is_found(records: list[Record], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        journal = SqlJournal(open_store(path))
        journal.append(records, durable=True)
        assert list(journal.read()) == records
        assert journal.verify() is None
        journal.close()
        seq = data.draw(st.integers(1, len(records)))
        column = data.draw(st.sampled_from(["at", "kind", "bot", "position", "data", "hash"]))
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TRIGGER journal_no_update")
            (text,) = connection.execute(f"SELECT {column} FROM journal WHERE seq = ?", (seq,)).fetchone()
            place = data.draw(st.integers(0, max(len(text) - 1, 0)))
            flipped = text[:place] + ("x" if text[place : place + 1] != "x" else "y") + text[place + 1 :]
            connection.execute(f"UPDATE journal SET {column} = ? WHERE seq = ?", (flipped, seq))
        with pytest.raises(StoreError, match=rf"breaks at number ({seq}|{seq + 1}):"):
            open_store(path)
