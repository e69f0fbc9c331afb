"""What a universe requires of a symbol, judged on the put and the call at the money: no legs are chosen yet."""

from datetime import date
from decimal import Decimal

from rulebot.core.program import CompiledBot, CompiledMember, CompiledRule
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rules
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import Reading
from rulebot.evaluate.strike_terms import listing_of
from rulebot.measure.evaluation import Evaluation, NotOpen
from rulebot.measure.listings import neighbours
from rulebot.measure.view import LegView, View
from rulebot.model.contract import listed
from rulebot.model.values import replace

PLACE = "universe"
"""Place of the conditions of a universe in records."""


def evaluate_universe_member(
    work: StateBuilder, member: CompiledMember, view: View
) -> tuple[tuple[Reading, ...], list[bool | None]]:
    """Return what is read now of what the universe requires of a symbol, and the truths, as far as confirmed."""
    if not member.require:
        return (), []
    name, place = member.bot.plan.name, member.bot.place(PLACE)
    found = evaluate_rules(work, name, place, show_pair(member, view), view)
    truths = [confirmed(work, name, place, each, view) for each in found]
    view.legs = ()
    return found, truths


def show_pair(member: CompiledMember, view: View) -> tuple[CompiledRule, ...]:
    """Let the view see the pair at the money of a symbol; return what is required of it.

    Without a pair these rules say why there is none, where they would say that their legs are not held.
    """
    view.legs = at_the_money(member.bot, view)
    if view.legs:
        return member.require
    why = f"{member.symbol}: {_lacking(member.bot, view)}"
    return tuple(_without_pair(each, why) for each in member.require)


def _lacking(bot: CompiledBot, view: View) -> str:
    """Return why the at-the-money options of a symbol are unknown."""
    leg = bot.plan.nearest_expiry_leg(bot.symbol) or bot.plan.legs[0]
    if view.board.level_row(bot.symbol) < 0:
        return "not streamed"
    if view.level(bot.symbol) is None:
        return "its price is not known"
    listing, expiry = listing_of(leg, view)
    if listing is None:
        return f"{leg.trading_class} options are not listed yet"
    if expiry is None:
        return f"no {leg.trading_class} expiry matches"
    return f"strikes of {leg.trading_class} {expiry} are not known yet"


def _without_pair(compiled: CompiledRule, why: str) -> CompiledRule:
    return replace(compiled, judge=lambda view: _explained(compiled.judge(view), why))


def _explained(evaluation: Evaluation, why: str) -> Evaluation:
    members = tuple((name, _explained(each, why)) for name, each in evaluation.members)
    return evaluation._replace(
        missing=why if isinstance(evaluation.missing, NotOpen) else evaluation.missing, members=members
    )


def still_offers(work: StateBuilder, bot: CompiledBot, symbol: str, view: View) -> bool:
    """Say whether a symbol offers now what the universe requires; a bot without one asks for nothing."""
    member = next((each for each in bot.members if each.symbol == symbol), None)
    return member is None or all(truth is True for truth in evaluate_universe_member(work, member, view)[1])


def at_the_money(bot: CompiledBot, view: View) -> tuple[LegView, ...]:
    """Return the put and the call at the money, of the nearest expiry that its structures would take; () if unknown."""
    spot = view.level(bot.symbol)
    expiries = [found for each in bot.structures() if (found := _expiry(each, view)) is not None]
    if spot is None or not expiries:
        return ()
    expiry, trading_class, strikes = min(expiries)
    strike = min(neighbours(strikes, spot, 1), key=lambda each: (abs(float(each) - spot), each))
    pair = (listed(bot.symbol, trading_class, expiry, strike, is_call) for is_call in (False, True))
    rows = view.board.rows
    return tuple(LegView(option.right.value, option, rows.get(option, -1), 1, 1) for option in pair)


def _expiry(bot: CompiledBot, view: View) -> tuple[date, str, tuple[Decimal, ...]] | None:
    leg = bot.plan.nearest_expiry_leg(bot.symbol) or bot.plan.legs[0]
    listing, expiry = listing_of(leg, view)
    strikes = () if listing is None or expiry is None else listing.strikes.get(expiry, ())
    return None if expiry is None or not strikes else (expiry, leg.trading_class, strikes)
