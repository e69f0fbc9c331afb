"""The simulator shares no code with the engine, and both know the same sessions and price steps."""

import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal

import pytest

from rulebot.model import money, session
from twsim import nouns, sessions

FIRST, LAST = date(session.FIRST_YEAR, 1, 1), date(session.LAST_YEAR, 12, 31)
DAYS = [FIRST + timedelta(days=each) for each in range((LAST - FIRST).days + 1)]


def test_both_know_the_same_sessions() -> None:
    assert (sessions.FIRST_YEAR, sessions.LAST_YEAR) == (session.FIRST_YEAR, session.LAST_YEAR)
    for day in DAYS:
        theirs, ours = sessions.session_on(day), session.session_on(day)
        assert (theirs is None) == (ours is None), day
        if theirs is not None and ours is not None:
            assert (theirs.open, theirs.close, theirs.is_half) == (ours.open, ours.close, ours.is_half), day


@pytest.mark.parametrize("day", [FIRST - timedelta(days=1), LAST + timedelta(days=1)])
def test_a_day_outside_the_table_is_refused(day: date) -> None:
    with pytest.raises(sessions.CalendarError, match=str(day)):
        sessions.session_on(day)


def test_half_days_are_those_of_the_table() -> None:
    assert [each.date for each in sessions.half_days(FIRST, LAST)] == [
        each.date for each in session.half_days(FIRST, LAST)
    ]


@pytest.mark.parametrize("name", ["NEAREST", "DOWN", "UP"])
def test_both_round_alike(name: str) -> None:
    steps = ((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10")))
    theirs, ours = nouns.TickRule(steps), money.TickRule(steps)
    for cents in range(-700, 700):
        for price in (cents / 100, Decimal(cents) / 100, cents / 100 + 0.004):
            assert theirs.round(price, nouns.Rounding[name]) == ours.round(price, money.Rounding[name]), price


def test_the_gateway_needs_no_module_of_the_engine() -> None:
    code = "import sys, pkgutil, importlib, twsim\n"
    code += "for each in pkgutil.walk_packages(twsim.__path__, 'twsim.'): importlib.import_module(each.name)\n"
    code += "print([name for name in sys.modules if name.split('.')[0] in ('rulebot', 'click', 'rich')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
