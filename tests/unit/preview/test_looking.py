"""What a scan, a check-up and a preview say of a symbol whose options at the money nobody knows."""

from dataclasses import dataclass, replace
from datetime import date
from types import SimpleNamespace

import pytest
from hand_desk import DAY, Desk, put, text_of

from rulebot.core.entry.universe_requirements import evaluate_universe_member
from rulebot.core.rules.rule_evaluation import first_missing
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import view_of
from rulebot.doctor.market_checks import reported_legs
from rulebot.measure.view import View
from rulebot.model.contract import Underlying
from rulebot.model.facts import Listing
from rulebot.preview.candidate import Candidate, judge
from rulebot.scan.scan_row import MeasuredStructure, StructureMeasurer, holding

LEGS = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot}}
  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
"""
UNIVERSE = (
    "{symbols: [SPX, SPY], require: [{quote_width: {at_most: 50%}}, {name: traded, any: [{volume: {above: 1}}]}]}"
)
SPXW = ("SPX", "SPXW")


@dataclass(frozen=True)
class Sight:
    """A desk at one instant."""

    desk: Desk

    def work(self) -> StateBuilder:
        return StateBuilder(self.desk.program, self.desk.state, self.desk.now)

    def view(self) -> View:
        return view_of(self.work())


def desk_of(*listings: Listing) -> Desk:
    """Return a desk on which of SPX nothing but this is known to be listed."""
    entry = '{window: {from: open + 30m, to: "11:00"}, per_day: 2}'
    desk = Desk((text_of(underlyings="", universe=UNIVERSE, entry=entry, legs=LEGS),))
    facts = desk.state.market.facts
    known = {key: each for key, each in facts.listings.items() if key != SPXW}
    known |= {(each.symbol, each.trading_class): each for each in listings}
    desk.state = desk.state._replace(market=replace(desk.state.market, facts=replace(facts, listings=known)))
    return desk


def said(desk: Desk) -> str:
    """Return what a scan says of SPX; a bot says the same."""
    bot, sight = desk.program.bots["spread"], Sight(desk)
    found = Candidate(bot.structures()[0], bot)
    judge(sight, found)
    words = [first_missing(each.evaluation) for each in found.when]
    readings, truths = evaluate_universe_member(sight.work(), bot.members[0], sight.view())
    assert truths == [None, None]
    assert readings[0].evaluation.missing == words[0]
    assert words[0] == words[1]
    is_refused = found.selection is not None and found.selection.refused  # false decides before what is unknown
    assert is_refused or holding(found, MeasuredStructure()).why == f"unknown: universe.quote_width {words[0]}"
    return words[0]


@pytest.mark.parametrize(
    ("days", "words"), [((), "SPX: no SPXW expiry matches"), ((DAY,), f"SPX: strikes of SPXW {DAY} are not known yet")]
)
def test_it_says_what_is_not_known_of_what_is_listed(days: tuple[date, ...], words: str) -> None:
    assert said(desk_of(Listing("SPX", "SPXW", days))) == words


def test_it_says_that_nobody_knows_yet_what_is_listed() -> None:
    """It said that no such leg is open, as if the bot had held one; a bot said that no expiry matches."""
    assert said(desk_of()) == "SPX: SPXW options are not listed yet"


def test_it_says_of_a_symbol_without_a_price_or_a_line_that_it_has_none() -> None:
    desk = desk_of()
    desk.level("SPX", float("nan"))
    assert said(desk) == "SPX: its price is not known"
    desk.board.drop(Underlying("SPX"))
    assert said(desk) == "SPX: not streamed"


def test_what_a_symbol_is_ranked_by_is_read_though_its_legs_do_not_fit() -> None:
    """It had no place then, and the scan said that the next one would be entered, which no bot of that spec does."""
    universe = "{symbols: [SPX, SPY], rank: {by: spot, highest: 1}}"
    legs = LEGS.replace("by: 5 pts", "by: [7 pts, 8 pts]")
    entry = '{window: {from: open + 30m, to: "11:00"}, per_day: 2}'
    desk = Desk((text_of(underlyings="", universe=universe, entry=entry, legs=legs),))
    bot = desk.program.bots["spread"]
    found = Candidate(bot.structures()[0], bot)
    measuring = StructureMeasurer(lambda _: False)
    assert measuring(found, judge(Sight(desk), found))
    assert found.selection is not None
    assert found.selection.refused
    assert measuring.found[found.bot.key].rank == 6000.0
    sorting = StructureMeasurer(lambda _: False, "spot")  # what the table is sorted by as well, if it is of the market
    sorting(found, judge(Sight(desk), found))
    assert sorting.found[found.bot.key].numbers["spot"] == 6000.0
    of_legs = StructureMeasurer(lambda _: False, "debit")
    of_legs(found, judge(Sight(desk), found))
    assert "debit" not in of_legs.found[found.bot.key].numbers


def test_a_check_up_says_of_another_week_day_that_the_bot_does_not_enter_on_it() -> None:
    """It was `outside its window 16:00 to 16:00`."""
    days = [name for number, name in enumerate(("mon", "tue", "wed", "thu", "fri")) if number != DAY.weekday()]
    entry = f'{{window: {{from: open + 30m, to: "11:00"}}, per_day: 2, days: [{", ".join(days)}]}}'
    desk = Desk((text_of(entry=entry, legs=LEGS),))
    bot, work = desk.program.bots["spread"], Sight(desk).work()
    found = Candidate(bot, bot)
    judge(Sight(desk), found)
    hours = SimpleNamespace(at=work.at, session=work.schedule.session, is_in_hours=True)
    assert reported_legs(hours, found).text.endswith(f"; but it does not enter on a {DAY:%A}")


def test_it_says_that_a_protective_stop_would_act_at_once() -> None:
    """All held, it said, and the bot entered nothing."""
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"),))
    desk.until("10:00")
    desk.quote(put(5935), 3.95, 4.05)
    desk.quote(put(5945), 4.95, 5.05, -0.10)
    bot, work = desk.program.bots["spread"], Sight(desk).work()
    found, measuring = Candidate(bot, bot), StructureMeasurer(lambda _: False)
    measuring(found, judge(Sight(desk), found))
    words = "4.95 is bid for SPXW 2026-11-18 5945P, whose protective stop would rest at 4.00 and act at once"
    assert holding(found, measuring.found[bot.key]) == (False, words, None)
    hours = SimpleNamespace(at=work.at, session=work.schedule.session, is_in_hours=True)
    assert f"; but {words}" in reported_legs(hours, found).text


def test_it_says_that_a_leg_entered_alone_could_lose_more_than_the_limit() -> None:
    order = "{leg_by_leg: [long_put, short_put], start: mid, step: 0.20, wait: 10s, tries: 4, then: unwind}"
    legs = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.10}}
  short_put: {sell: put, strike: {below: long_put, by: 10 pts}}
"""
    exits = '\n  - time: "15:45"\n'
    desk = Desk((text_of(legs=legs, order=order, exits=exits, risk="{max_loss_per_trade: $90}"),))
    desk.until("10:00")
    desk.quote(put(5945), 1.30, 3.30, -0.104)
    desk.quote(put(5935), 1.10, 2.10, -0.078)
    bot, work = desk.program.bots["spread"], Sight(desk).work()
    found, measuring = Candidate(bot, bot), StructureMeasurer(lambda _: False)
    measuring(found, judge(Sight(desk), found))
    words = "if short_put does not fill, closing long_put again would lose $103.26, max_loss_per_trade is $90.00"
    assert holding(found, measuring.found[bot.key]) == (False, words, None)
    hours = SimpleNamespace(at=work.at, session=work.schedule.session, is_in_hours=True)
    assert f"; but {words}" in reported_legs(hours, found).text
