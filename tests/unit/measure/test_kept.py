"""What a measure has made of a day's facts stands as long as they do, and is made anew with others."""

from collections.abc import Mapping
from datetime import date

import pytest

from rulebot.compile.plan import Call, Holds, Quantity
from rulebot.evaluate.measure import reader_of
from rulebot.evaluate.rules import Judge, compile_test
from rulebot.measure.reading import Read, UnknownValue
from rulebot.measures.registry import VOCABULARY
from rulebot.model.facts import Bar, Bars, EventCalendar, EventDay, Facts
from rulebot.model.session import session_after, session_before
from tests.unit.measures.market_view import CONTEXT, NOW, YEAR, ranked, session, view

CPI = date(2026, 11, 19)
"""The day after that of the view."""


class Counted(dict[date, EventDay]):
    """Days of an event, and how often one was looked up."""

    looks = 0

    def get(self, *asked: object) -> EventDay | None:  # type: ignore[override]
        self.looks += 1
        return super().get(*asked)  # type: ignore[call-overload, no-any-return]


def calendar(days: Mapping[date, EventDay], until: date = date(2027, 1, 31)) -> EventCalendar:
    return EventCalendar(days={"CPI": days}, known_until={"CPI": until})


def no_cpi() -> Judge:
    return compile_test(Holds(Call("no_event", (("of", ("CPI",)),), Quantity.TRUTH)), CONTEXT)


def iv_rank() -> Read:
    return reader_of(Call("iv_rank", (("of", "SPX"),), VOCABULARY["iv_rank"].quantity), CONTEXT)


def test_the_calendar_is_looked_through_once_as_long_as_it_stands() -> None:
    judge, at, days = no_cpi(), view(), Counted({CPI: EventDay("CPI", CPI, None)})
    at.facts = Facts(events=calendar(days))
    first = judge(at)
    assert (first.truth, first.detail) == (True, f"next: CPI {CPI}")
    looks = days.looks
    assert judge(at) == first
    assert days.looks == looks > 0


def test_another_calendar_and_another_day_are_judged_again() -> None:
    judge, at = no_cpi(), view()
    at.facts = Facts(events=calendar({CPI: EventDay("CPI", CPI, None)}))
    assert judge(at).truth is True
    at.session = session_after(at.session.date)
    assert (judge(at).truth, judge(at).detail) == (False, f"CPI on {CPI}")
    at.facts = Facts(events=calendar({}))
    assert judge(at).truth is True
    at.facts = Facts(events=calendar({}, until=session().date))
    assert judge(at).truth is None


def test_a_rank_goes_with_volatility_now_and_with_the_sessions_before() -> None:
    read = iv_rank()
    assert read(ranked(0.15, YEAR)) == pytest.approx(50.0)
    assert read(ranked(0.175, YEAR)) == pytest.approx(75.0)
    assert read(ranked(0.30, YEAR)) == 100.0
    assert read(ranked(0.15, YEAR)) == pytest.approx(50.0)
    assert read(ranked(0.15, tuple(2 * each for each in YEAR))) == 0.0


def test_daily_bars_that_were_whole_are_old_in_the_next_session() -> None:
    before = session_before(session().date)
    bars = Bars(NOW, tuple(Bar(before.open.timestamp(), 1.0, 1.0, 1.0, 1.0, 0.0, 0.0) for _ in range(9)))
    entry = VOCABULARY["sma"]
    given = {each.name: each.default for each in entry.parameters if each.default is not None}
    read = reader_of(Call("sma", tuple(sorted({**given, "of": "SPX", "window": 5}.items())), entry.quantity), CONTEXT)
    at = view()
    at.facts = Facts(bars={("SPX", 86400): bars})
    assert read(at) == 1.0
    at.session = session_after(at.session.date)
    assert read(at) == UnknownValue(f"SPX: daily bars end on {before.date}")
