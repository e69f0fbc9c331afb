from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from rulebot.core.state.state import AccountSeen
from rulebot.decide.entry_window import BotDay
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.record.codec import (
    FOLLOWS,
    CodecError,
    decode,
    decode_as,
    encode,
    encode_as,
    json_text,
    line,
    record_of,
    utc_text,
)
from rulebot.record.record import Kind, Record

NOON = datetime(2026, 11, 18, 17, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Held:
    what: tuple[Contract, ...]
    quantity: float = 1.0


def test_decimals_keep_their_zeros() -> None:
    day = BotDay(bot="put_lite", date=date(2026, 11, 18), realized=Decimal("10.50"), last_end_at=NOON)
    data = encode(day)
    assert isinstance(data, dict)
    assert data["realized"] == "10.50"
    assert data["date"] == "2026-11-18"
    assert data["last_end_at"] == "2026-11-18T17:00:00.000000Z"
    again = decode(BotDay, data)
    assert again == day
    assert str(again.realized) == "10.50"


def test_members_of_a_union_carry_their_type() -> None:
    held = Held((Option("SPX", "SPXW", date(2026, 11, 18), Decimal(5950), Right.PUT, con_id=7), Underlying("SPY")))
    again = decode(Held, encode(held))
    assert again == held
    assert again.what[0].con_id == 7


@dataclass(frozen=True, slots=True)
class Tree:
    of: str | int | float | tuple[str, ...] | Underlying | None
    inner: "tuple[Tree, ...]" = ()


def test_options_that_are_equal_report_their_own_number() -> None:
    first, second = (Option("SPX", "SPXW", date(2026, 11, 18), Decimal(5950), Right.PUT, con_id=n) for n in (7, 8))
    assert first == second
    for option in (first, second, first):
        reported = encode(option)
        assert isinstance(reported, dict)
        assert reported["con_id"] == option.con_id


def test_what_holds_its_own_kind_and_plain_members_of_a_union() -> None:
    tree = Tree("5", (Tree(5), Tree(5.0, (Tree(("a", "b")), Tree(Underlying("SPY")))), Tree(None)))
    again = decode(Tree, encode(tree))
    assert again == tree
    assert [type(each.of) for each in again.inner] == [int, float, type(None)]
    with pytest.raises(CodecError, match="should be one of"):
        decode(Tree, {"of": True})


@dataclass(frozen=True, slots=True)
class Named:
    name: str
    made_of_it: Any = field(default=None, metadata={FOLLOWS: True})


def test_what_follows_from_the_rest_is_not_reported() -> None:
    assert encode(Named("a", object())) == {"name": "a"}
    assert decode(Named, {"name": "a"}) == Named("a")
    with pytest.raises(CodecError, match="has no field 'made_of_it'"):
        decode(Named, {"name": "a", "made_of_it": 1})


def test_a_value_of_a_hinted_type() -> None:
    hint = Mapping[str, tuple[datetime, ...] | None]
    value = {"b": (NOON,), "a": None}
    reported = encode_as(hint, value)
    assert reported == [["b", ["2026-11-18T17:00:00.000000Z"]], ["a", None]]
    assert list(decode_as(hint, reported)) == ["b", "a"]
    assert decode_as(hint, reported) == value
    with pytest.raises(CodecError, match="of no known type"):
        encode_as(Mapping[str, Any], {"a": object()})
    with pytest.raises(CodecError, match="this is no"):
        decode_as(hint, 5)


class Pair(NamedTuple):
    first: Decimal
    second: datetime | None = None


def test_a_named_tuple_that_was_written_before_a_field_was_added_takes_its_default() -> None:
    """A start could not read what the account was seen to hold once more was kept of it."""
    assert decode(Pair, ["1.50"]) == Pair(Decimal("1.50"))
    assert decode(Pair, encode(Pair(Decimal(1), NOON))) == Pair(Decimal(1), NOON)
    assert decode(AccountSeen, [[], [], []]) == AccountSeen()
    for reported in ([], ["1", None, "2"]):
        with pytest.raises(CodecError):
            decode(Pair, reported)


def test_a_missing_field_takes_its_default_and_a_strange_one_is_refused() -> None:
    assert decode(BotDay, {"bot": "a", "date": "2026-11-18"}) == BotDay(bot="a", date=date(2026, 11, 18))
    with pytest.raises(CodecError, match="has no field 'strange'"):
        decode(BotDay, {"bot": "a", "date": "2026-11-18", "strange": 1})
    with pytest.raises(CodecError, match="needs the field 'date'"):
        decode(BotDay, {"bot": "a"})
    with pytest.raises(CodecError, match="should be int"):
        decode(BotDay, {"bot": "a", "date": "2026-11-18", "entries": "1"})


@dataclass(frozen=True, slots=True)
class Renamed:
    received: str = ""
    reported_at: int = 0


def test_a_field_that_was_renamed_is_read_by_its_former_name() -> None:
    """The shipped recordings of two bots could not be read: an order in them has `heard`."""
    assert decode(Renamed, {"heard": "a", "told_at": 1}) == Renamed("a", 1)
    with pytest.raises(CodecError, match="has no field 'evaluation'"):
        decode(Renamed, {"verdict": "a"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("nan"), datetime(2026, 1, 1)])
def test_what_has_no_exact_json_is_refused(value: object) -> None:
    with pytest.raises(CodecError):
        encode(value)


def test_a_record_is_one_sorted_line() -> None:
    at = datetime(2026, 11, 18, 12, tzinfo=timezone(timedelta(hours=-5)))
    record = Record(at, Kind.VERDICT, 'a "bot"', "", {"value": 0.1, "rule": "vix"})
    text = line(record)
    assert text == (
        '{"at":"2026-11-18T17:00:00.000000Z","bot":"a \\"bot\\"","data":{"rule":"vix","value":0.1},'
        '"kind":"verdict","position":""}'
    )
    assert record_of(text) == record
    assert line(record_of(text)) == text


def test_nan_never_reaches_a_line() -> None:
    with pytest.raises(CodecError):
        line(Record(NOON, Kind.VERDICT, data={"value": float("nan")}))
    with pytest.raises(CodecError):
        record_of('{"at":"2026"}')
    assert json_text({"b": 1, "a": None}) == '{"a":null,"b":1}'
    assert utc_text(NOON) < utc_text(NOON + timedelta(microseconds=1))
