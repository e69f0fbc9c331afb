"""The open of an underlying whose line does not tell it."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.adapters.ib.history import Bar, SessionOpenPrices
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.market import Board

DAY = date(2026, 10, 21)
OPENS = datetime(2026, 10, 21, 13, 30, tzinfo=UTC)
SPX, VIX, NDX = Underlying("SPX"), Underlying("VIX"), Underlying("NDX")
PUT = Option("SPX", "SPXW", DAY, Decimal(5900), Right.PUT)


def bar(day: date, price: float) -> Bar:
    return Bar(datetime(day.year, day.month, day.day, tzinfo=UTC), day, price, price, price, price, 0.0, 0.0)


class Desk:
    """Lines of SPX and an option on it, of VIX, whose open is told, and of NDX, whose data is delayed."""

    def __init__(self, *bars: list[Bar] | BrokerError) -> None:
        self.board, self.asked, self.touched = Board(), list[tuple[float, str]](), list[int]()
        self.answers = list(bars)
        self.lines = (SPX, PUT, VIX, NDX)
        for contract in self.lines:
            self.board.add(contract)
        self.board.open[self.board.rows[VIX]] = 15.7
        self.board.frozen.add(self.board.rows[NDX])
        quotes = SimpleNamespace(touch=self.touched.append)
        self.wire: Any = SimpleNamespace(is_up=True, quotes=quotes, arrived=asyncio.Event())
        self.opens = SessionOpenPrices(self.board, self._bars)
        self.now = OPENS

    async def _bars(self, contract: Underlying) -> list[Bar]:
        self.asked.append(((self.now - OPENS).total_seconds(), contract.symbol))
        answer = self.answers.pop(0)
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    async def answered(self) -> None:
        """Let what was asked, and the answer to it, have their turn: nobody waits for either."""
        while len(waiting := asyncio.all_tasks()) > 1:
            await asyncio.wait(waiting - {asyncio.current_task()})

    async def until(self, seconds: float) -> float:
        """Look every second until so many after the open; return the open of SPX then."""
        while self.now < OPENS + timedelta(seconds=seconds):
            self.opens.look(self.wire, self.lines, self.now)
            await self.answered()
            self.now += timedelta(seconds=1)
        return self.board.open[self.board.rows[SPX]]


def test_the_open_that_no_tick_reports_is_that_of_the_daily_bar_of_today(caplog: pytest.LogCaptureFixture) -> None:
    """What counts from the open of SPX was unknown all day: no bot that reads it entered."""

    async def scenario() -> None:
        before = bar(date(2026, 10, 20), 5890.0)
        silent = BrokerError("no answer")
        desk = Desk([before], silent, silent, [before, bar(DAY, 5901.5)])
        assert isnan(await desk.until(430))
        assert await desk.until(600) == 5901.5
        assert desk.asked == [(15, "SPX"), (75, "SPX"), (195, "SPX"), (435, "SPX")]
        assert caplog.text.count("a request for it failed: no answer") == 1
        assert desk.touched == [desk.board.rows[SPX]]
        assert desk.wire.arrived.is_set()

    asyncio.run(scenario())


def test_of_a_universe_a_few_opens_are_asked_for_at_once() -> None:
    async def scenario() -> None:
        desk = Desk(*[[]] * 12)
        desk.lines = tuple(Underlying(f"S{number}") for number in range(7))
        for contract in desk.lines:
            desk.board.add(contract)
        await desk.until(79)
        assert [at for at, _ in desk.asked] == [15] * 5 + [20] * 2 + [75] * 5

    asyncio.run(scenario())


def test_the_open_of_an_earlier_day_is_forgotten() -> None:
    async def scenario() -> None:
        desk = Desk([bar(DAY, 5901.5)], [bar(date(2026, 10, 22), 5950.0)])
        assert await desk.until(60) == 5901.5
        desk.now = OPENS + timedelta(days=1, seconds=-60)
        assert isnan(await desk.until(86400))
        assert await desk.until(86400 + 60) == 5950.0

    asyncio.run(scenario())


def test_an_answer_that_comes_after_the_line_was_reported_its_open_or_given_up_changes_nothing() -> None:
    async def scenario() -> None:
        for is_given_up in (False, True):
            desk = Desk([bar(DAY, 5901.5)])
            desk.now = OPENS + timedelta(seconds=20)
            desk.opens.look(desk.wire, desk.lines, desk.now)
            if is_given_up:
                desk.board.drop(SPX)
            else:
                desk.board.open[desk.board.rows[SPX]] = 5902.0
            await desk.answered()
            assert (desk.touched, len(desk.asked)) == ([], 1)

    asyncio.run(scenario())
