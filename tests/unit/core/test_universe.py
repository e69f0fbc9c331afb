"""Which symbol of a universe is entered, how often, and what is streamed for it."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import Desk, call, put, text_of

from rulebot.core.entry import universe_requirements
from rulebot.core.program import CompiledBot
from rulebot.decide.entry_window import BotDay
from rulebot.measure.view import LegView, View
from rulebot.model.contract import Option, Underlying
from rulebot.model.event import Request
from rulebot.model.facts import Listing
from rulebot.model.market import Extra
from rulebot.model.order import Order, OrderStatus
from rulebot.narrate.snapshot_of_state import summary_of
from rulebot.record.codec import decode, encode
from rulebot.record.record import Kind

LEGS = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot}}
  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
"""
EXITS = """
  - time: "15:45"
  - target: {profit: 50%}
"""


CHEAP = "{max_loss_per_trade: $10}"
TWO = '{window: {from: open + 30m, to: "11:00"}, per_day: 2}'


def desk_of(universe: str, entry: str = TWO) -> Desk:
    return Desk((text_of(underlyings="", universe=universe, entry=entry, legs=LEGS, exits=EXITS),))


def symbols_of(desk: Desk) -> list[str]:
    return [order.legs[0].option.symbol for order in desk.submitted]


def rankings(desk: Desk) -> list[str]:
    return [str(each.data["reason"]) for each in desk.records if each.data.get("what") == "rank"]


def fill(desk: Desk, order: Order) -> None:
    desk.ack(order)
    desk.fill(order)
    desk.tick(1)


@pytest.mark.parametrize(("rank", "symbol"), [("highest: 1", "SPX"), ("lowest: 1", "SPY")])
def test_the_best_by_rank_is_entered(rank: str, symbol: str) -> None:
    desk = desk_of(f"{{symbols: [SPY, SPX], rank: {{by: spot, {rank}}}}}")
    desk.until("10:00")
    assert symbols_of(desk) == [symbol]


def test_without_a_rank_the_first_in_order_is_entered_and_then_the_next() -> None:
    desk = desk_of("{symbols: [SPY, SPX]}")
    desk.until("10:00")
    assert symbols_of(desk) == ["SPY"]
    fill(desk, desk.last)
    assert symbols_of(desk) == ["SPY", "SPX"]


def test_one_position_a_symbol_and_what_is_held_keeps_its_place() -> None:
    desk = desk_of("{symbols: [SPY, SPX], rank: {by: spot, highest: 1}}")
    desk.until("10:00")
    fill(desk, desk.last)
    desk.until("10:30", step=60)
    assert symbols_of(desk) == ["SPX"]


def test_caps_count_the_bot() -> None:
    desk = desk_of("{symbols: [SPY, SPX]}", entry=TWO.replace("per_day: 2", "per_day: 1"))
    desk.until("10:00")
    fill(desk, desk.last)
    desk.until("10:30", step=60)
    assert symbols_of(desk) == ["SPY"]
    assert desk.state.bots.by_name["spread"].status_text == "1 of 1 a day"


def test_each_symbol_has_one_entry_a_window() -> None:
    """What did not fill is not entered again, and the other symbol has its own opportunity."""
    desk = desk_of("{symbols: [SPY, SPX]}")
    desk.until("10:00")
    desk.ack(desk.last)
    desk.cancelled(desk.last)
    desk.tick(1)
    assert symbols_of(desk) == ["SPY", "SPX"]
    desk.ack(desk.last)
    desk.cancelled(desk.last)
    desk.until("10:30", step=60)
    assert symbols_of(desk) == ["SPY", "SPX"]


def test_a_symbol_whose_rank_is_unknown_is_passed_over_and_said() -> None:
    desk = desk_of("{symbols: [SPY, SPX], rank: {by: gap, highest: 1}}")
    row = desk.board.rows[Underlying("SPY")]
    desk.board.open[row], desk.board.previous_close[row] = 601.0, 600.0
    desk.until("10:00")
    assert symbols_of(desk) == ["SPY"]
    assert rankings(desk)[0].startswith("SPY gap 0.00166667; passed over: SPX (")


def test_what_a_structure_brings_ranks_too() -> None:
    desk = desk_of("{symbols: [SPY, SPX], rank: {by: credit, highest: 1}}")
    desk.until("10:00")
    assert symbols_of(desk) == ["SPX"]


def test_a_symbol_that_offers_too_little_is_left_out() -> None:
    desk = desk_of("{symbols: [SPX, SPY], require: [{quote_width: {at_most: 3%}}]}")
    desk.until("10:00")
    assert symbols_of(desk) == ["SPX"]
    desk = desk_of("{symbols: [SPX, SPY], require: [{quote_width: {at_most: 0.1%}}]}")
    desk.until("10:00")
    assert not desk.submitted
    results = [each.data for each in desk.records if each.kind is Kind.VERDICT]
    assert {(each["place"], each["symbol"], each["rule"]) for each in results} >= {
        ("universe", "SPX", "universe.quote_width"),
        ("universe", "SPY", "universe.quote_width"),
    }


def test_unknown_quotes_at_the_money_leave_a_symbol_out() -> None:
    desk = desk_of("{symbols: [SPX, SPY], require: [{quote_width: {at_most: 50%}}]}")
    desk.without_data(put(6000), call(6000))
    desk.until("10:00")
    assert symbols_of(desk) == ["SPY"]


def test_without_options_at_the_money_it_is_said_what_they_lack() -> None:
    desk = desk_of("{symbols: [SPX, SPY], require: [{quote_width: {at_most: 50%}}]}")
    desk.level("SPX", float("nan"))
    desk.until("10:00")
    results = [each.data for each in desk.records if each.kind is Kind.VERDICT and each.data["place"] == "universe"]
    assert [each["missing"] for each in results if each["symbol"] == "SPX"] == ["SPX: its price is not known"]


def test_an_order_ends_when_its_symbol_offers_too_little() -> None:
    desk = desk_of("{symbols: [SPX, SPY], require: [{quote_width: {at_most: 3%}}]}")
    desk.until("10:00")
    desk.ack(desk.last)
    desk.quote(put(6000), 10.0, 12.0, -0.5)
    desk.tick(11)
    assert desk.state.orders.by_ref[desk.submitted[0].ref].status is OrderStatus.CANCELLING


def skips(desk: Desk) -> list[tuple[str, str]]:
    said = (each.data for each in desk.said(Kind.DECISION, "skip"))
    return [(str(each["symbol"]), str(each["reason"])) for each in said]


def test_what_stands_in_the_way_of_a_symbol_is_said_of_that_symbol() -> None:
    universe = "{symbols: [SPX, SPY]}"
    desk = Desk((text_of(underlyings="", universe=universe, entry=TWO, legs=LEGS, exits=EXITS, risk=CHEAP),))
    desk.until("10:00:30", step=5)
    assert not desk.submitted
    assert [(symbol, reason.partition("$")[0]) for symbol, reason in skips(desk)] == [
        ("SPX", "SPX: could lose "),
        ("SPY", "SPY: could lose "),
    ]
    nearest = desk.state.bots.by_name["spread"].nearest
    assert nearest is not None
    assert (nearest.symbol, nearest.rule, nearest.failed) == ("SPX", "SPX limits", 0)


def test_a_symbol_that_is_halted_is_said_and_the_next_is_entered() -> None:
    desk = desk_of("{symbols: [SPX, SPY]}")
    desk.board.halted.add(desk.board.rows[Underlying("SPX")])
    desk.until("10:00:05", step=5)
    assert symbols_of(desk) == ["SPY"]
    assert skips(desk) == [("SPX", "trading is halted in SPX")]
    chosen = [each.data["symbol"] for each in desk.said(Kind.SELECTION)]
    assert chosen == ["SPY"]


CHOOSING = """
  expiry: {dte: 0}
  choose:
    - name: rising
      when: [{name: up, expr: "move > 0"}]
      short_put: {sell: put, strike: {at: spot}}
      long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
    - name: wild
      when: [{vix: {at_least: 90}}]
      short_put: {sell: put, strike: {at: spot}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""
RISING = TWO.replace("per_day: 2", 'per_day: 2, every: 10s, when: [{name: up, expr: "move > 0"}]')


@pytest.mark.parametrize(("entry", "legs"), [(RISING, LEGS), (TWO.replace("2}", "2, every: 10s}"), CHOOSING)])
@pytest.mark.parametrize(("level", "entered"), [(6010.0, []), (5980.0, ["SPY"])])
def test_one_that_waits_for_lines_has_a_rank_unless_a_condition_of_it_was_false(
    entry: str, legs: str, level: float, entered: list[str]
) -> None:
    universe = "{symbols: [SPX, SPY], rank: {by: spot, highest: 1}}"
    desk = Desk((text_of(underlyings="", universe=universe, entry=entry, legs=legs, exits=EXITS),))
    rows = desk.board.rows
    desk.board.open[rows[Underlying("SPX")]], desk.board.open[rows[Underlying("SPY")]] = 5990.0, 599.0
    desk.ask(Request.PAUSE)
    desk.until("10:00:20", step=10)
    assert rankings(desk) == ["SPX spot 6000"]
    desk.level("SPX", level)
    desk.tick(10)
    for contract in [each for each in rows if each.symbol == "SPX"]:
        desk.board.drop(contract)
    desk.ask(Request.RESUME)
    desk.tick(10)
    assert symbols_of(desk) == entered


def test_the_day_of_each_symbol_is_on_record() -> None:
    desk = desk_of("{symbols: [SPY, SPX]}")
    desk.until("10:00")
    day = desk.state.bots.by_name["spread"].day
    assert decode(BotDay, encode(day)) == day
    assert (day.tried, day.of_member("SPY").tried, day.of_member("SPX").tried) == (1, 1, 0)


def test_a_day_of_before_has_no_members() -> None:
    data = encode(BotDay(bot="spread", date=Desk().day))
    assert isinstance(data, dict)
    data.pop("members")
    assert decode(BotDay, data).members == ()


@pytest.mark.parametrize(("minute", "is_streamed"), [("10:49:54", False), ("10:50:05", True)])
def test_symbols_that_may_take_turns_are_streamed_ten_minutes_before_the_window(minute: str, is_streamed: bool) -> None:
    desk = desk_of("{symbols: [SPY, SPX]}", entry='{window: {from: "11:00", to: "11:30"}, per_day: 2}')
    desk.until(minute)
    assert any(isinstance(each, Option) for each in desk.state.subscriptions.streamed) is is_streamed


def test_what_is_streamed_stays_within_the_lines() -> None:
    desk = desk_of("{symbols: [SPY, SPX]}")
    desk.program = replace(desk.program, line_limit=9)
    desk.until("10:00")
    desk.until("10:05", step=5)
    assert 0 < len(desk.state.subscriptions.streamed) <= 9
    assert (
        Underlying("SPX") in desk.state.subscriptions.streamed or Underlying("SPY") in desk.state.subscriptions.streamed
    )


def test_bots_on_one_underlying_keep_their_lines_before_symbols_of_a_universe() -> None:
    universe = text_of("many", underlyings="", universe="{symbols: [SPY, SPX]}", entry=TWO, legs=LEGS, exits=EXITS)
    alone, both = Desk((text_of(),)), Desk((universe, text_of()))
    for desk in (alone, both):
        desk.until("09:59:30")
    wanted = set(alone.state.subscriptions.streamed)
    both.program = replace(both.program, line_limit=len(wanted) + 3)
    both.until("09:59:50", step=5)
    assert wanted <= set(both.state.subscriptions.streamed)
    assert len(both.state.subscriptions.streamed) <= len(wanted) + 3


class Unlike(Desk):
    """A desk on which four symbols are quoted, and SPY has options of two expiries where the others have one."""

    def market(self) -> None:
        super().market()
        for symbol, level in (("QQQ", 500), ("IWM", 200)):
            self.quote(Underlying(symbol), level - 0.01, level + 0.01)
            for away in range(11):
                self.option(put(level - away, symbol), away * 10, 0.1)
                self.option(call(level + away, symbol), away * 10, 0.1)

    def listings(self) -> Iterable[Listing]:
        for listing in super().listings():
            days = (self.day, self.expiry_90) if listing.symbol == "SPY" else (self.day,)
            yield replace(listing, expiries=days, strikes={day: listing.strikes[day] for day in days})
        for symbol, level in (("QQQ", 500), ("IWM", 200)):
            strikes = tuple(Decimal(strike) for strike in range(level - 50, level + 51))
            yield Listing(symbol, symbol, (self.day,), {self.day: strikes})


def test_a_symbol_that_needs_more_lines_than_the_others_has_its_turn_too() -> None:
    """Two of the others fit together, none together with SPY: that one must be the first of a turn now and then."""
    near, far = (f"{{dte: {{nearest: {days}}}}}" for days in (1, 90))
    legs = LEGS.split("\n", 2)[2].replace("  ", "      ")
    choose = f"""
  expiry: {near}
  choose:
    - name: near
      when: [{{vix: {{at_least: 90}}}}]
      expiry: {near}
{legs}
    - name: far
      expiry: {far}
{legs}
"""
    universe = "{symbols: [SPX, SPY, QQQ, IWM], require: [{quote_width: {at_most: 0.1%}}]}"
    desk = Unlike((text_of(underlyings="", universe=universe, entry=TWO, legs=choose, exits=EXITS),))
    desk.program = replace(desk.program, line_limit=20)
    turns = []
    desk.until("09:58")
    for _ in range(8):
        desk.tick(60)
        assert len(desk.state.subscriptions.streamed) <= 20
        turns.append({contract.symbol for contract in desk.state.subscriptions.streamed} - {"VIX"})
    assert {symbol: sum(symbol in turn for turn in turns) >= 2 for symbol in ("SPX", "SPY", "QQQ", "IWM")} == {
        "SPX": True, "SPY": True, "QQQ": True, "IWM": True,
    }  # fmt: skip


def test_a_symbol_that_has_no_turn_since_it_needs_more_lines_than_there_are_is_reported() -> None:
    desk = desk_of("{symbols: [SPY, SPX], require: [{quote_width: {at_most: 0.1%}}]}")
    desk.program = replace(desk.program, line_limit=4)
    desk.until("09:58")
    desk.until("10:05", step=60)
    assert {words for words in desk.alarms if "lines" in words} == {
        f"{symbol} needs more market data lines than remain: it is skipped" for symbol in ("SPY", "SPX")
    }


def test_what_is_asked_of_the_options_at_the_money_is_asked_for_with_their_lines() -> None:
    universe = "{symbols: [SPY, SPX], require: [{volume: {at_least: 1}}], rank: {by: iv_rank, highest: 1}}"
    (bot,) = desk_of(universe).program.bots.values()
    kinds = (Extra.COUNTS, Extra.IMPLIED)
    assert bot.plan.needs.extras == {(symbol, kind) for symbol in ("SPY", "SPX") for kind in kinds}
    assert set(bot.plan.needs.implied) == {"SPY", "SPX"}


def test_skew_is_streamed_for_a_symbol_out_of_focus_too() -> None:
    entry = TWO.replace("per_day: 2", "per_day: 2, when: [{skew: {above: 90%}}]")
    desk = desk_of("{symbols: [SPY, SPX]}", entry=entry)
    desk.until("10:00")
    desk.tick(30)
    (bot,) = desk.program.bots.values()
    assert [(leg.symbol, leg.right.value) for leg in bot.plan.needs.beside] == [
        ("SPY", "put"),
        ("SPY", "call"),
        ("SPX", "put"),
        ("SPX", "call"),
    ]
    streamed = {(each.symbol, each.right) for each in desk.state.subscriptions.streamed if isinstance(each, Option)}
    assert {symbol for symbol, _ in streamed} == {"SPY", "SPX"}
    assert not desk.submitted


def test_the_line_of_levels_leaves_out_what_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulebot.narrate.snapshot_of_state._USUAL", ("VIX",))
    universe = text_of("many", underlyings="", universe="{symbols: [SPY, SPX]}", entry=TWO, legs=LEGS, exits=EXITS)
    alone, both = Desk((universe,)), Desk((universe, text_of()))
    for desk, levels in ((alone, ["VIX"]), (both, ["VIX", "SPX"])):
        desk.until("10:00")
        shown = summary_of(desk.program, desk.state, desk.now, desk.now, None)
        assert [name for name, _ in shown.levels] == levels


def test_each_symbol_is_entered_again_as_often_as_the_bot_may() -> None:
    again = "again: {after: [unfilled], wait: 5s, at_most: 1}"
    entry = f'{{window: {{from: open + 30m, to: "11:00"}}, per_day: 9, {again}}}'
    desk = desk_of("{symbols: [SPY, SPX]}", entry=entry)
    desk.until("10:00")
    for _ in range(8):
        for order in desk.live:
            desk.ack(order)
            desk.cancelled(order)
        desk.tick(10)
    assert sorted(symbols_of(desk)) == ["SPX", "SPX", "SPY", "SPY"]


def test_options_at_the_money_are_not_looked_for_where_nothing_is_required_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = desk_of("{symbols: [SPY, SPX]}")
    desk.until("09:59")
    monkeypatch.setattr(universe_requirements, "at_the_money", _not_asked_for)
    desk.until("10:00")
    assert symbols_of(desk) == ["SPY"]


def _not_asked_for(bot: CompiledBot, view: View) -> tuple[LegView, ...]:
    raise AssertionError(f"{bot.symbol}: looked for")


@pytest.mark.parametrize(("lines", "when"), [(9, ""), (14, ""), (90, ""), (90, ", when: [{skew: {above: -90%}}]")])
def test_a_choice_of_lines_that_stands_is_the_one_that_would_be_made_again(lines: int, when: str) -> None:
    """As spot moves past strikes, symbols take turns and come into focus; the other desk never lets a choice stand."""
    entry = TWO.replace("per_day: 2", f"per_day: 2{when}")
    stands, restarted = (desk_of("{symbols: [SPY, SPX], rank: {by: spot, highest: 1}}", entry) for _ in range(2))
    for desk in (stands, restarted):
        desk.program = replace(desk.program, line_limit=lines)
        desk.until("09:54")
    kept, choices = 0, set()
    for step in range(120):
        levels = {"SPX": 6000 + 3 * (step // 9 % 4), "SPY": 600 + step // 17 % 3}
        before = stands.state.subscriptions.subscription_requests
        for desk in (stands, restarted):
            for symbol, level in levels.items():
                desk.quote(Underlying(symbol), level - 0.01, level + 0.01)
            if desk is restarted:
                desk.state = desk.state._replace(
                    subscriptions=replace(
                        desk.state.subscriptions, strike_targets=desk.state.subscriptions.strike_targets and {}
                    )
                )
            desk.tick(5)
        kept += stands.state.subscriptions.subscription_requests is before
        choices.add(stands.state.subscriptions.streamed)
        assert stands.state.subscriptions.streamed == restarted.state.subscriptions.streamed
        assert [each.legs for each in stands.submitted] == [each.legs for each in restarted.submitted]
    assert kept > 60
    assert len(choices) > 3
    assert stands.records == restarted.records
