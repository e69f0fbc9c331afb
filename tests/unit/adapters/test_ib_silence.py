"""Lines that have died without a word are requested again, and those that are quiet are left alone."""

from collections.abc import ItemsView
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import nan
from random import Random

import pytest

from rulebot.adapters.ib.stale_lines import AT_ONCE, LONGEST, StaleLines
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.market import Board

DAY = date(2026, 10, 21)
OPENS = datetime(2026, 10, 21, 13, 30, tzinfo=UTC)
SPX, VIX, SPY = Underlying("SPX"), Underlying("VIX"), Underlying("SPY")
PUT = Option("SPX", "SPXW", DAY, Decimal(5900), Right.PUT)


class Counted(dict[Contract, float]):
    """Lines, and how often they were looked through."""

    looks = 0

    def items(self) -> ItemsView[Contract, float]:
        self.looks += 1
        return super().items()


class Desk:
    """Lines that were asked for ten minutes before the open; SPY speaks at every look."""

    def __init__(self, *contracts: Contract) -> None:
        self.board, self.silence, self.asked = Board(), StaleLines(), list[tuple[float, Contract]]()
        self.now = OPENS - timedelta(minutes=10)
        for contract in (SPY, *contracts):
            self.board.add(contract)
            self.silence.asked(contract, self.now.timestamp())

    def speaks(self, *contracts: Contract) -> None:
        for contract in contracts:
            row = self.board.rows[contract]
            self.board.last_at[row] = self.now.timestamp()

    def passes(self, seconds: int, *speaking: Contract, feed: bool = True) -> list[Contract]:
        """Let time pass, look every second, and ask anew for what is due."""
        found = []
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            if feed:
                self.speaks(SPY, *speaking)
                self.board.alive_at = self.now.timestamp()
            for contract in self.silence.due(self.board, self.now, ()):
                found.append(contract)
                self.asked.append(((self.now - OPENS).total_seconds(), contract))
                self.silence.given_up(contract)
                self.silence.asked(contract, self.now.timestamp())
        return found

    def opened(self) -> "Desk":
        self.passes(600)
        return self


@pytest.mark.parametrize(("contract", "seconds"), [(SPX, 30), (VIX, 180), (PUT, 300)], ids=str)
def test_a_line_is_asked_for_again_once_nothing_of_it_counts_any_more(contract: Contract, seconds: int) -> None:
    desk = Desk(contract).opened()
    assert desk.passes(60, contract) == []
    assert desk.passes(seconds - 6) == []
    assert desk.passes(12) == [contract]


@pytest.mark.parametrize("seed", range(20))
def test_a_look_that_is_passed_by_would_have_found_nothing(seed: int) -> None:
    """Lines speak, fall silent, are halted, given up, asked for and back with their farm as chance has it."""
    chance, lines = Random(seed), (SPX, VIX, PUT, Underlying("QQQ"))
    desk, always = Desk(*lines).opened(), Desk(*lines).opened()
    for _ in range(400):
        speaking = [line for line in lines if chance.random() < chance.choice((0.02, 0.5))]
        seconds, gone, back, halted = chance.randint(1, 20), chance.choice(lines), chance.random(), chance.random()
        found = []
        for each in (desk, always):
            row = each.board.rows[gone]
            if back < 0.03:
                each.silence.farm_is_back(each.now.timestamp())
            elif back < 0.2:
                each.silence.given_up(gone)
                each.silence.asked(gone, each.now.timestamp())
            if halted < 0.1:
                (each.board.halted.discard if row in each.board.halted else each.board.halted.add)(row)
            reported = []
            for _ in range(seconds):
                if each is always:
                    each.silence._none_until = 0.0
                reported.append(each.passes(1, *speaking, feed=halted < 0.9))
            found.append(reported)
        assert found[0] == found[1]


def test_lines_that_speak_are_looked_through_only_when_one_may_have_died() -> None:
    desk = Desk(SPX, PUT).opened()
    desk.passes(60, SPX, PUT)
    desk.silence._asked = lines = Counted(desk.silence._asked)
    assert desk.passes(300, SPX, PUT) == []
    assert lines.looks <= 300 // 25 + 1
    assert desk.passes(36, PUT) == [SPX]


def test_before_the_open_nothing_is_silent_and_the_open_itself_begins_the_count() -> None:
    desk = Desk(SPX)
    assert desk.passes(600 + 24) == []
    assert desk.passes(12) == [SPX]


def test_after_the_close_nothing_is_silent() -> None:
    desk = Desk(SPX)
    desk.now = OPENS + timedelta(hours=6, minutes=30)
    assert desk.passes(600) == []


def test_on_a_day_without_a_session_nothing_is_silent() -> None:
    desk = Desk(SPX)
    desk.now = datetime(2026, 10, 24, 15, 0, tzinfo=UTC)
    assert desk.passes(600) == []


def test_while_the_whole_feed_is_silent_no_line_is_for_a_minute_and_a_half() -> None:
    desk = Desk(SPX).opened()
    desk.passes(10, SPX)
    assert desk.passes(88, feed=False) == []
    assert sorted(desk.passes(7, feed=False), key=str) == [SPX, SPY]


def test_then_options_are_silent_too_whose_quotes_would_count_for_minutes_beside_what_streams_again() -> None:
    desk = Desk(SPX, PUT).opened()
    desk.passes(10, SPX, PUT)
    assert sorted(desk.passes(95, feed=False), key=str) == [SPX, PUT, SPY]
    desk.passes(1, SPX, PUT)
    assert desk.passes(290, SPX) == []


def test_so_it_is_where_nothing_has_ever_come() -> None:
    desk = Desk(SPX)
    desk.now = OPENS
    assert sorted(desk.passes(36, feed=False), key=str) == [SPX, SPY]


def test_one_that_stays_silent_is_asked_for_more_and_more_seldom() -> None:
    desk = Desk(SPX).opened()
    desk.passes(5400)
    at = [when for when, _ in desk.asked]
    waits = [later - earlier for earlier, later in pairwise(at)]
    assert waits[:4] == [65, 125, 245, 485]  # it is looked every five seconds
    assert max(waits) == LONGEST + 5


def test_one_that_speaks_again_is_as_new() -> None:
    desk = Desk(SPX).opened()
    assert desk.passes(35) == [SPX]
    desk.passes(60, SPX)
    assert desk.passes(36) == [SPX]


def test_what_is_halted_or_not_live_or_refused_is_left_alone() -> None:
    desk = Desk(SPX, VIX, PUT).opened()
    desk.board.halted.add(desk.board.rows[SPX])
    desk.board.frozen.add(desk.board.rows[VIX])
    desk.now += timedelta(seconds=600)
    desk.board.alive_at = desk.now.timestamp()
    desk.speaks(SPY)
    assert desk.silence.due(desk.board, desk.now, (PUT,)) == []


def test_what_has_spoken_since_the_last_look_is_not_silent() -> None:
    """Its time is written after the look: what had just come was thrown away with the line."""
    desk = Desk(SPX).opened()
    desk.passes(28, SPX)
    desk.passes(27)
    desk.board.unsettled[1].add(desk.board.rows[SPX])
    assert desk.passes(10) == []


def test_a_farm_that_is_back_is_given_ten_seconds() -> None:
    desk = Desk(SPX, PUT).opened()
    desk.passes(20, SPX, PUT)
    for contract in (SPX, PUT):  # what was told before counts no more
        desk.board.last_at[desk.board.rows[contract]] = nan
    desk.silence.farm_is_back(desk.now.timestamp())
    assert desk.passes(8, SPX) == []
    assert desk.passes(7, SPX) == [PUT]
    assert desk.passes(280, SPX) == []


def test_so_many_lines_at_once_that_others_need_not_wait() -> None:
    options = [Option("SPX", "SPXW", DAY, Decimal(5000 + 5 * each), Right.PUT) for each in range(25)]
    desk = Desk(*options).opened()
    assert desk.passes(299) == []
    assert desk.passes(5) == options[:AT_ONCE]
    assert sorted(desk.passes(10), key=str) == options[AT_ONCE:]


def test_all_lines_at_once_that_a_farm_has_left_dead() -> None:
    options = [Option("SPX", "SPXW", DAY, Decimal(5000 + 5 * each), Right.PUT) for each in range(25)]
    desk = Desk(*options).opened()
    desk.silence.farm_is_back(desk.now.timestamp())
    assert sorted(desk.passes(16), key=str) == options


def test_a_line_that_is_given_up_is_not_asked_for() -> None:
    desk = Desk(SPX).opened()
    desk.silence.given_up(SPX)
    assert desk.passes(600) == []
