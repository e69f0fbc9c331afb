"""The pieces of the nets: what a digest ignores, what it notices, and how an order is read off the wire."""

import json
from datetime import date
from pathlib import Path

import pytest

from tests.nets.cases import QUICK, all_nets, documents, example_days
from tests.nets.checking import problems_of
from tests.nets.days import ROWS, Day, days_left, instant, ledger_lines
from tests.nets.digests import (
    digest_of,
    first_difference,
    numbers_in,
    numbers_said,
    read_digests,
    without_keys,
    write_digests,
)
from tests.nets.wire import NAMES, command_text, message, without_install

LINES = ["10:30 place BUY 1", "10:31 change BUY 1", "10:32 cancel"]


def test_equal_lines_have_no_difference() -> None:
    assert first_difference(digest_of(LINES), list(LINES)) is None


def test_the_first_line_that_differs_is_named() -> None:
    said = first_difference(digest_of(LINES), [LINES[0], "10:31 change BUY 2", LINES[2]])
    assert said == "line 2 of 3 is now: 10:31 change BUY 2"


def test_a_missing_line_is_named() -> None:
    assert first_difference(digest_of(LINES), LINES[:2]) == "line 3 of 3 is gone"


def test_a_new_line_is_named() -> None:
    assert first_difference(digest_of(LINES), [*LINES, "10:33 place"]) == "line 4 is new: 10:33 place"


def test_numbers_are_the_same_after_a_key_is_renamed() -> None:
    first = {"trades": [{"net": 5.25, "entered": "2026-10-21 10:30:00", "reason": "target"}], "ok": True}
    second = {"all_trades": [{"time": "2026-10-21 10:30:00", "why": "profit target", "day_profit": 5.25}], "ok": True}
    assert numbers_in(first) == numbers_in(second) == ["true", "0 2026-10-21 10:30:00", "0 5.25"]


@pytest.mark.parametrize("value", [5.26, "5.25 dollars", None])
def test_a_changed_number_is_another_line(value: object) -> None:
    assert numbers_in({"net": value}) != numbers_in({"net": 5.25})


def test_the_order_of_a_list_counts() -> None:
    assert numbers_in([1, 2]) != numbers_in([2, 1])


def test_numbers_inside_of_sentences_are_found_once() -> None:
    assert numbers_said({"words": "sells 5,910 at 10:30, at most 5,910, for 0.60."}) == ["0.60", "10:30", "5,910"]


def test_keys_of_this_machine_are_left_out() -> None:
    assert without_keys({"seconds": 3, "tests": [{"seconds": 1, "net": 2}]}, frozenset(("seconds",))) == {
        "tests": [{"net": 2}]
    }


def test_digests_are_read_as_they_were_written(tmp_path: Path) -> None:
    digests = {"day one": {"commands": digest_of(LINES), "money": digest_of([])}}
    write_digests(tmp_path / "digests.json", digests)
    assert read_digests(tmp_path / "digests.json") == digests


def test_a_part_that_is_gone_is_a_problem() -> None:
    kept = {"commands": digest_of(LINES), "money": digest_of([])}
    assert problems_of({"commands": LINES}, kept) == ["money is gone"]


def test_a_net_that_failed_is_a_problem_whatever_was_kept() -> None:
    assert problems_of({"failed": ["an error"]}, {}) == ["the net failed", "an error"]


# ---------------------------------------------------------------- the wire


def placed(**fields: str) -> list[str]:
    given = {
        "order": "4",
        "symbol": "SPX",
        "type": "OPT",
        "side": "BUY",
        "quantity": "1",
        "kind": "LMT",
        "limit": "0.6",
    }
    given |= {"ref": "rb:4a86c4:000004", "tif": "DAY", **fields}
    return ["3", *(given.get(name, "") for name in NAMES)]


def test_an_order_is_read_with_its_fields_by_name() -> None:
    said = "place order=4 symbol=SPX type=OPT side=BUY quantity=1 kind=LMT limit=0.6 tif=DAY ref=rb:000004"
    assert command_text(placed(), set()) == said


def test_an_order_sent_again_is_a_change() -> None:
    known: set[str] = set()
    command_text(placed(), known)
    again = command_text(placed(limit="0.55"), known)
    assert again is not None
    assert again.startswith("change order=4")


def test_legs_and_later_fields_of_a_combo_are_read() -> None:
    fields = [*placed(type="BAG"), "1", "437", "1", "SELL", "SMART", "0", "0", "", "-1", "0", "0", "", "", "20261021"]
    said = command_text(fields, set())
    assert said is not None
    assert said.endswith("leg=437/1/SELL/SMART 4=20261021")


def test_a_cancel_names_its_order() -> None:
    assert command_text(["4", "1", "7", ""], set()) == "cancel order=7"


def test_other_messages_are_no_commands() -> None:
    assert command_text(["49", "1"], set()) is None


def test_two_stores_give_the_same_reference() -> None:
    assert without_install("oca=rb:4a86c4:oca:000002") == without_install("oca=rb:ffffff:oca:000002")


def test_a_message_has_its_length_in_front() -> None:
    assert message(49, 1) == b"\0\0\0\x0549\x001\0"


# ---------------------------------------------------------------- days


def test_a_time_of_the_second_session_skips_the_weekend() -> None:
    assert instant("2 09:45:00", date(2026, 10, 23)) - instant("09:45:00", date(2026, 10, 23)) == 3 * 86400


def test_sessions_that_are_over_are_not_run_again() -> None:
    day = Day("a", (), first_day=date(2026, 10, 21), days=2)
    assert days_left(day, 0) == 2
    assert days_left(day, instant("2 09:45:00", day.first_day)) == 1


def test_a_ledger_is_read_by_its_public_fields(tmp_path: Path) -> None:
    row = {"kind": "commission", "at": "2026-10-21T14:30:11+00:00", "exec_id": "1", "con_id": 4, "commission": "1.28"}
    (tmp_path / "ledger").write_text("".join(json.dumps(each) + "\n" for each in (row, {"kind": "order"})))
    assert list(ledger_lines(tmp_path / "ledger")) == ["2026-10-21 14:30:11 commission 4 1.28 None"]
    assert "order" not in ROWS


# ---------------------------------------------------------------- what there is


def test_quick_nets_are_nets() -> None:
    assert QUICK - {each.name for each in all_nets()} == set()


def test_names_of_nets_are_unique() -> None:
    names = [each.name for each in all_nets()]
    assert len(names) == len(set(names))


def test_there_are_as_many_nets_as_the_moves_of_the_code_need() -> None:
    names = [each.name for each in all_nets()]
    least = {"day": 60, "backtest": 12, "sweep": 4, "rest": 3}
    assert {
        kind: sum(name.startswith(kind) for name in names) >= count for kind, count in least.items()
    } == dict.fromkeys(least, True)


def test_each_example_that_is_a_bot_has_a_day() -> None:
    run = {Path(spec).stem for day in example_days() for spec in day.specs}
    bots = {Path(each).stem for each in documents() if each.startswith("examples/") and each.count("/") == 1}
    assert bots - run == {"account_limits", "liquid"}
