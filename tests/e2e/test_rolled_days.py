"""Two days of a put spread on the wire, rolled to the next day: books, replay and a past session say the same."""

import re
from datetime import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.adapters.recorded.recording import open_recording
from rulebot.checks.against_ledger.books import compare_books
from rulebot.cli.main import main
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.session import at_exchange_time, session_after
from rulebot.record.record import Kind
from rulebot.replay.recordings import listed
from rulebot.store.queries import StoreReader
from rulebot.web.chart_pages import router
from tests.e2e.test_four_worlds import Lived, check_worlds
from tests.e2e.worlds import check_replays, run_days

UNTIL = at_exchange_time(session_after(DEFAULT_DATE).date, time(11, 30))
"""Half an hour after what was rolled has been left, and what was sold on that day was rolled or had its chance."""
ROLLED = """\
rulebot: 1
name: rolled
about: Sells a put spread for the day, rolls it to the next day at eleven, and leaves that one at eleven.
underlying: SPX
quantity: 2
entry: {window: {from: "10:00", to: "10:30"}, max_open: 2}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.20}}
  long_put: {buy: put, strike: {below: short_put, by: 25 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 8, then: cancel}
exits:
  - name: out
    all:
      - sessions_in_trade: {at_least: 1}
      - time: "11:00"
  - name: onward
    all:
      - sessions_in_trade: {at_most: 0}
      - dte: {at_most: 0}
      - time: "11:00"
    roll: {expiry: {dte: {at_least: 1}}, require: [{credit: {at_least: 0.10}}]}
  - stop: {loss: 400%}
  - at_expiry: settle
risk: {max_loss_per_trade: $10000}
"""


@pytest.mark.long
def test_ci_a_spread_is_rolled_by_one_order_and_each_world_says_so(tmp_path: Path) -> None:
    spec, tapes = tmp_path / "rolled.yaml", tmp_path / "tapes"
    spec.write_text(ROLLED, encoding="utf-8")
    simulated = run_days(tmp_path, [str(spec)], seed=11, days=2, data_seconds=15, tapes=tapes, until=UNTIL)
    records = list(simulated.records)
    assert [each.data["text"] for each in records if each.kind is Kind.ALARM] == []

    old, new, second, third = simulated.positions.values()
    assert [each.exit_reason for each in (old, new, second, third)] == ["onward", "out", "onward", ""]
    assert [each.rolled_from for each in (old, new, second, third)] == ["", old.id, "", second.id]
    assert [leg.option.strike for leg in new.legs] == [leg.option.strike for leg in old.legs]
    assert {leg.option.expiry for leg in new.legs} == {second.session}
    (order,) = [each for each in simulated.orders.values() if each.opens_position == new.id]
    assert order.limit_price is not None
    assert old.exit_price is not None
    assert new.entry_price is not None
    assert old.exit_price + new.entry_price >= -order.limit_price

    with StoreReader(tmp_path / "plain-11-2-max.db") as reader:
        assert reader.rolls(new.id) == (old.id, (), (order.ref,))
        assert reader.rolls(old.id) == ("", (new.id,), ())
        (row,) = reader.view("trades", position=old.id)
        assert row["expected_exit_price"] is not None, "of its own side of the order alone"
        pages = router(tmp_path / "plain-11-2-max.db").routes
        shown = next(each for each in pages if getattr(each, "path", "") == "/trades/{number}")
        text = bytes(shown.endpoint(2).body).decode()  # type: ignore[attr-defined]
        assert 'it was rolled from <a href="/trades/1">trade 1</a>' in text

    assert compare_books(simulated) == []
    assert check_replays(tapes) >= 3
    tape = listed(tapes)[0]
    of_first = [each for each in records if each.at.date() == tape.day]
    assert check_worlds(Lived(open_recording(tape.file), of_first)) == []


SIDES = """\
rulebot: 1
name: sides
about: Sells a condor for the day, moves its puts closer at eleven, rolls its calls to the next day at noon.
underlying: SPX
quantity: 2
entry: {window: {from: "10:00", to: "10:30"}, max_open: 2}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.12}}
  long_put: {buy: put, strike: {below: short_put, by: 25 pts}}
  short_call: {sell: call, strike: {delta: 0.12}}
  long_call: {buy: call, strike: {above: short_call, by: 25 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 8, then: cancel}
exits:
  - name: out
    all:
      - sessions_in_trade: {at_least: 1}
      - time: "10:45"
  - name: puts_closer
    time: "11:00"
    close: put_side
    roll: {strikes: {short_put: {delta: 0.25}, long_put: {below: short_put, by: 20 pts}}}
  - name: calls_onward
    all:
      - dte: {at_most: 0}
      - time: "12:00"
    close: [short_call, long_call]
    roll: {expiry: {dte: {at_least: 1}}, require: [{credit: {at_least: 0.05}}]}
  - stop: {cost: 8x credit, of: each_side}
  - at_expiry: settle
risk: {max_loss_per_trade: $20000}
"""


@pytest.mark.long
def test_ci_each_side_of_a_condor_is_rolled_by_itself_and_each_world_says_so(tmp_path: Path) -> None:
    spec, tapes = tmp_path / "sides.yaml", tmp_path / "tapes"
    spec.write_text(SIDES, encoding="utf-8")
    simulated = run_days(tmp_path, [str(spec)], seed=11, days=2, data_seconds=15, tapes=tapes, until=UNTIL)
    records = list(simulated.records)
    assert [each.data["text"] for each in records if each.kind is Kind.ALARM] == []

    opened = [each for each in simulated.positions.values() if each.opened_at is not None]
    first, puts, calls = opened[:3]
    assert (first.exit_reason, puts.rolled_from, calls.rolled_from) == ("calls_onward", first.id, first.id)
    assert ([leg.name for leg in puts.legs], [leg.name for leg in calls.legs]) == (
        ["short_put", "long_put"],
        ["short_call", "long_call"],
    )
    assert (puts.trade, calls.trade) == (first.id, first.id)
    assert {leg.option.expiry for leg in puts.legs} == {first.session}
    assert {leg.option.expiry > first.session for leg in calls.legs} == {True}
    for new, names in ((puts, {"short_put", "long_put"}), (calls, {"short_call", "long_call"})):
        (order,) = [each for each in simulated.orders.values() if each.opens_position == new.id and each.has_fills]
        assert {leg.name for leg in order.legs} == names
        assert len(order.legs) == 4
        with StoreReader(tmp_path / "plain-11-2-max.db") as reader:
            assert reader.rolls(new.id).came_from == first.id
    with StoreReader(tmp_path / "plain-11-2-max.db") as reader:
        assert set(reader.rolls(first.id).went_into) >= {puts.id, calls.id}

    assert compare_books(simulated) == []
    assert check_replays(tapes) >= 3
    tape = listed(tapes)[0]
    of_first = [each for each in records if each.at.date() == tape.day]
    assert check_worlds(Lived(open_recording(tape.file), of_first)) == []


THREATENED = """rulebot: 1
name: threatened
about: Sells a condor, and rolls the side that is threatened to the next day.
underlying: SPX
entry: {at: "09:45"}
legs:
  expiry: {dte: 0}
  short_put:  {sell: put,  strike: {delta: 0.20}}
  long_put:   {buy: put,   strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {delta: 0.20}}
  long_call:  {buy: call,  strike: {above: short_call, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 8, then: cancel}
exits:
  - time: "15:45"
  - name: put_side
    breach: {spot_within: 6 pts, of: short_put}
    close: put_side
    roll: {expiry: {dte: {nearest: 1}}}
  - target: {profit: 60%}
risk: {max_loss_per_trade: $2000}
"""


@pytest.mark.usefixtures("slow_market")
def test_a_drift_reports_a_rolled_side_and_counts_nothing_that_hangs_on_what_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At natural the side does not roll and is held on, unseen: what it was rolled into is no gain or loss of fills."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    spec, store = tmp_path / "threatened.yaml", tmp_path / "t.db"
    spec.write_text(THREATENED, encoding="utf-8")
    words = ("run", "--paper", "--sim", "--seed", "5", "--market", "trend_down", "--store", str(store), str(spec))
    assert CliRunner().invoke(main, words).exit_code == 0
    reported = CliRunner().invoke(main, ["replay", "--store", str(store), "--drift"]).output
    left = r"15:45:\d\d bought back in all at \d\.\d\d \(the rest expired\): time"
    rolled = f"short_put and long_put rolled: put_side; {left}"
    assert re.search(rolled, reported), reported
    assert "no trade" in reported
    assert "; their fills made +$0.00 beside natural ones, without what is not recorded of threatened" in reported
