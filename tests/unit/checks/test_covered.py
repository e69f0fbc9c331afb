"""Calls that shares were to cover, held against the shares of the ledger."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from engine_day import FLAT, ID, LEG, PUT, order

from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.holdings import calls_without_shares, uncovered_shorts
from rulebot.model.contract import Right
from rulebot.model.order import OrderLeg, Purpose, Side
from twsim import LedgerTotals, Row

CALL = replace(PUT, right=Right.CALL)
ENTRY = order(1, Purpose.ENTRY, quantity=2, legs=(OrderLeg("call", CALL, Side.SELL),))
HELD = replace(FLAT, quantity=2, legs=(replace(LEG, name="call", option=CALL),))
DAY = CheckedDay((), {ID: HELD}, {ENTRY.ref: ENTRY}, (), LedgerTotals(Decimal(0), Decimal(0), {}, {}, {}, {}), {})
BOT = (HELD.bot,)


def row(kind: str, at: str, **fields: object) -> Row:
    return {"kind": kind, "at": f"{date(2026, 11, 18)}T{at}", **fields}


def shares(at: str, count: int) -> Row:
    return row("position", at, name=CALL.symbol, con_id=1, quantity=str(count))


SOLD = row(
    "execution", "15:00:00", order_ref=ENTRY.ref, con_id=CALL.con_id, side="SLD", exec_id="e.1.02.01", quantity="2",
    price="1", sec_type="OPT",
)  # fmt: skip


def test_calls_that_shares_cover_are_sound_and_one_more_is_seen() -> None:
    assert list(calls_without_shares(DAY, [shares("09:30:00", 200), SOLD], BOT)) == []
    (found,) = calls_without_shares(DAY, [shares("09:30:00", 199), SOLD], BOT)
    assert "needed 200 SPY shares" in found
    assert "held 199" in found


def test_shares_that_were_sold_a_moment_ago_are_not_our_doing() -> None:
    held = [shares("09:30:00", 500), shares("14:59:30", 100)]
    assert list(calls_without_shares(DAY, [*held, SOLD], BOT)) == []
    assert len(list(calls_without_shares(DAY, [*held[:1], shares("14:58:00", 100), SOLD], BOT))) == 1


def test_calls_of_other_bots_are_not_asked_about() -> None:
    assert list(calls_without_shares(DAY, [SOLD], ())) == []
    assert len(list(uncovered_shorts(DAY, [SOLD], ()))) == 1
    assert list(uncovered_shorts(DAY, [SOLD], (), BOT)) == []
