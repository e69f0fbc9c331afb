"""Two days of a double calendar on the wire: its front is settled, the rest goes on, and each world says so."""

from pathlib import Path

import pytest

from rulebot.adapters.recorded.recording import open_recording
from rulebot.checks.against_ledger.books import compare_books
from rulebot.record.record import Kind
from rulebot.replay.recordings import listed
from tests.e2e.test_four_worlds import Lived, check_worlds
from tests.e2e.worlds import check_replays, run_days

CALENDAR = """\
rulebot: 1
name: calendar
about: Sells today's put and call against tomorrow's at the same strikes, and leaves tomorrow at eleven.
underlying: SPX
quantity: 2
entry: {window: {from: "10:00", to: "15:00"}, max_open: 4}
legs:
  front_put:  {sell: put,  expiry: {dte: 0}, strike: {delta: 0.30, prefer_round_to: 25}}
  back_put:   {buy: put,   expiry: {dte: {at_least: 1}}, strike: {at: front_put}}
  front_call: {sell: call, expiry: {dte: 0}, strike: {delta: 0.30, prefer_round_to: 25}}
  back_call:  {buy: call,  expiry: {dte: {at_least: 1}}, strike: {at: front_call}}
order: {start: mid, step: 0.10, wait: 10s, tries: 8, then: cancel}
exits:
  - name: back_day
    all:
      - dte: {of: back_put, at_most: 0}
      - time: "11:00"
  - stop: {loss: 300%}
risk: {undefined_risk: allow}
"""

ACCOUNT = """\
rulebot_account: 1
about: Tries a calendar of two, whose sold puts need more cash than the account has.
risk: {cash_secured_puts: ignore}
"""


@pytest.mark.long
def test_ci_a_calendar_continues_after_its_front_has_ended(tmp_path: Path) -> None:
    spec, tapes = tmp_path / "calendar.yaml", tmp_path / "tapes"
    account = tmp_path / "account.yaml"
    spec.write_text(CALENDAR, encoding="utf-8")
    account.write_text(ACCOUNT, encoding="utf-8")
    simulated = run_days(tmp_path, [str(spec)], seed=7, days=2, data_seconds=15, tapes=tapes, account=account)
    records = list(simulated.records)
    assert [each.data["text"] for each in records if each.kind is Kind.ALARM] == []

    settled = {str(each.data["leg"]) for each in records if each.kind is Kind.SETTLEMENT}
    assert settled >= {"front_put", "front_call"}
    first, second = simulated.positions.values()
    assert (first.state, first.exit_reason) == ("closed", "back_day")
    assert {leg.name for leg in first.legs if leg.settled} == settled, "one that nobody bids for is left to expire"
    assert first.entry_price is not None
    assert first.entry_price < 0
    assert first.max_risk is None, "what lives on does not cover what has ended, so nothing bounds the calls"
    assert second.state == "open"
    assert {leg.name: leg.held for leg in second.legs if leg.held} == {"back_put": 2, "back_call": 2}

    assert compare_books(simulated) == []
    assert check_replays(tapes) >= 3
    tape = listed(tapes)[0]
    of_first = [each for each in records if each.at.date() == tape.day]
    assert check_worlds(Lived(open_recording(tape.file), of_first)) == []
