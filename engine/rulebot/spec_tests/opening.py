"""The position that is open when a test begins, as if the bot had opened it a moment ago."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import inf

from rulebot.compile.plan import LegPlan, Overwrite, Plan
from rulebot.core.gate.covered_calls import most_within, too_few
from rulebot.core.program import CompiledBot
from rulebot.core.queries.schedule import is_same_week
from rulebot.decide.entry_window import BotDay
from rulebot.decide.limits import Priced, fitting
from rulebot.evaluate.rules import compile_expected_move
from rulebot.evaluate.strike_terms import option_of
from rulebot.evaluate.strikes import select
from rulebot.measure.listings import expiry_on
from rulebot.measure.view import LegView, View
from rulebot.model.commission import fill_commission
from rulebot.model.contract import LOT, Contract, Option, listed, share
from rulebot.model.errors import SpecError
from rulebot.model.facts import Facts
from rulebot.model.loss_bound import ShareHolding, loss_bound, most_commissions, uncovered_calls
from rulebot.model.market import Board
from rulebot.model.money import CENT, ZERO
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import Session, session_on
from rulebot.spec.nouns import DteRule, Expiry
from rulebot.spec.spec_test_nouns import Opening
from rulebot.spec_tests.market import Market


def open_position(
    opening: Opening, bot: CompiledBot, market: Market, facts: Facts, shares: Mapping[str, int], at: datetime
) -> Position:
    """Return the position, in an account that holds these numbers of shares by symbol.

    Raises: SpecError when the spec chooses no legs in that market, or sells no call against those shares.
    """
    bot = bot.on(opening.symbol).taking(opening.alternative)
    options = _given(opening, bot, market.session, facts) or _chosen(opening, bot, market, facts, at)
    quantity = _quantity(opening, bot, options, facts, shares)
    legs = _paid(_legs(bot, options, market, at, quantity), opening.net, quantity)
    session = market.session if opening.opened is None else session_on(opening.opened) or market.session
    opened_at = at if session.date == market.session.date else session.open + timedelta(hours=1)
    worst = loss_bound(legs, opening.net)
    return Position(
        id=f"{bot.plan.name}-{session.date:%Y%m%d}-1",
        bot=bot.plan.name,
        digest=bot.plan.digest,
        state="open",
        session=session.date,
        quantity=quantity,
        legs=legs,
        opened_at=opened_at,
        entry_mid=opening.net,
        max_risk=None if worst is None else worst * LOT,
        alternative=opening.alternative,
    )


def day_after_opening(position: Position, session: Session) -> BotDay:
    """Return the bot's day: an entry of this session counts, or an earlier one of its week."""
    day = BotDay(bot=position.bot, date=session.date)
    if position.session != session.date:
        return replace(day, week=int(is_same_week(position.session, session.date)))
    return replace(day, entries=1, opened=1, last_end="filled", last_end_at=position.opened_at)


def _as_opened(opening: Opening, bot: CompiledBot) -> Plan:
    """Return the plan with the given days: legs that live on keep their distance."""
    plan, days = bot.plan, opening.dte
    if days is None:
        return plan

    def moved(expiry: Expiry) -> Expiry:
        further = expiry.days_away - plan.expiry.days_away if expiry is not plan.expiry else 0
        if further == inf:
            return expiry
        is_monthly = expiry.is_monthly and further != 0
        return replace(expiry, rule=DteRule.NEAREST, days=(days + round(further),), is_monthly=is_monthly)

    legs = tuple(replace(leg, expiry=moved(leg.expiry)) for leg in plan.legs)
    return replace(plan, legs=legs, expiry=moved(plan.expiry))


def _expiry(leg: LegPlan, facts: Facts, session: Session) -> date:
    listing = facts.listings[(leg.symbol, leg.trading_class)]
    found = expiry_on(leg.expiry, listing.expiries, session.date)
    if found is None:
        raise SpecError("no expiry that the spec wants is listed on that day")
    return found


def _given(opening: Opening, bot: CompiledBot, session: Session, facts: Facts) -> dict[str, Option]:
    if not opening.legs:
        return {}
    return {
        leg.name: share(leg.symbol)
        if leg.is_shares
        else option_of(leg, _expiry(leg, facts, session), opening.legs[leg.name])
        for leg in _as_opened(opening, bot).legs
    }


def _chosen(opening: Opening, bot: CompiledBot, market: Market, facts: Facts, at: datetime) -> dict[str, Option]:
    """Return what the spec would choose now, seeing every strike."""
    plan = _as_opened(opening, bot)
    seeing = Market(market.given, market.session, Board())
    seeing.minute = market.minute
    wanted: list[Contract] = list(bot.levels)
    for leg in plan.legs:
        if leg.is_shares:
            wanted.append(share(leg.symbol))
            continue
        expiry = _expiry(leg, facts, market.session)
        strikes = facts.listings[(leg.symbol, leg.trading_class)].strikes[expiry]
        wanted += [
            listed(leg.symbol, leg.trading_class, expiry, each, call) for each in strikes for call in (True, False)
        ]
    seeing.stream(wanted, at)
    seeing.breathe(at)
    view = View(now=at.timestamp(), session=market.session, board=seeing.board, facts=facts)
    found = select(plan.legs, view, bot.expected_move if plan is bot.plan else compile_expected_move(plan))
    if not found.is_complete:
        why = found.missing or found.refused
        raise SpecError(f"the spec chooses no legs to begin with: {why}", "give them: 'legs: {...}'")
    return {leg.name: leg.option for leg in found.legs}


def _quantity(
    opening: Opening, bot: CompiledBot, options: dict[str, Option], facts: Facts, shares: Mapping[str, int]
) -> int:
    """Return as many structures as the spec asks for, as fit at the given price (at least one), or as shares cover."""
    plan = bot.plan
    if plan.overwrite is not None:
        return _covered(plan, plan.overwrite, options, shares)
    if plan.size is None:
        return plan.quantity
    legs = [LegView(leg.name, options[leg.name], -1, leg.sign, leg.ratio, leg.group) for leg in plan.legs]
    price = float(abs(opening.net))
    one = Priced(
        net=opening.net,
        worst=loss_bound(legs, opening.net),
        shares=LOT,
        commission=lambda count: sum(
            (fill_commission(leg.option, leg.sign * leg.price_multiplier * count, price) for leg in legs), ZERO
        ),
        fees=most_commissions(legs),
    )
    return max(fitting(plan.size, plan.quantity, one, facts.account.net_liquidation).count, 1)


def _covered(plan: Plan, band: Overwrite, options: dict[str, Option], shares: Mapping[str, int]) -> int:
    """Return as many structures as an entry would open against the shares held and free of other calls."""
    symbol = plan.underlyings[0]
    held = ShareHolding(Decimal(shares.get(symbol, 0)), by_bots=ZERO, by_hand=ZERO, cost=None)
    each = uncovered_calls(((options[leg.name], leg.sign * leg.ratio) for leg in plan.legs), symbol)
    count = most_within(band, held, each, 0)
    if not count:
        raise SpecError(f"the spec opens nothing to begin with: {too_few(band, held, each, 0, symbol)}")
    return count


def _legs(
    bot: CompiledBot, options: dict[str, Option], market: Market, at: datetime, quantity: int
) -> tuple[PositionLeg, ...]:
    """Return the legs, each paid what the model says it is worth."""
    legs = []
    for leg in bot.plan.legs:
        option, count = options[leg.name], leg.ratio * quantity
        worth = market.worth(option, at)
        price = Decimal(f"{worth if worth == worth else 1.0:.4f}")
        cash = (-leg.sign * count * price * option.multiplier).quantize(CENT)
        paid = fill_commission(option, leg.sign * count, float(price))
        legs.append(
            PositionLeg(
                name=leg.name,
                option=option,
                sign=leg.sign,
                ratio=leg.ratio,
                group=leg.group,
                opened=count,
                entry_cash=cash,
                commissions=paid,
            )
        )
    return tuple(legs)


def _paid(legs: tuple[PositionLeg, ...], net: Decimal, quantity: int) -> tuple[PositionLeg, ...]:
    """Return the legs so that together they brought, or cost, exactly that net price."""
    wanted = net * quantity * LOT
    lacks = wanted - sum((leg.entry_cash for leg in legs), ZERO)
    return (replace(legs[0], entry_cash=legs[0].entry_cash + lacks), *legs[1:])
