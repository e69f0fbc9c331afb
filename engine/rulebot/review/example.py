"""One example of a bot's position: which strikes, at what price, with what commissions; and where its exits lie."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from math import sqrt

from rulebot.compile.data_needs import calls_of
from rulebot.compile.plan import Argument, Call, Compare, ExitPlan, Holds, Plan, RollPlan, Rule, Truth
from rulebot.compile.variants import variants
from rulebot.core.entry.structure_selection import counted, opening_commission, price_legs, show_candidate
from rulebot.core.gate.price_limits import risk_floor, size_floor, stated_floor
from rulebot.core.program import CompiledBot, compile_bot
from rulebot.core.queries.openings import opening_parts
from rulebot.evaluate.rules import compile_expected_move, compile_rule
from rulebot.evaluate.strikes import StructureSelection, select
from rulebot.measure.listings import expiry_on
from rulebot.measure.view import View
from rulebot.measure.words import NamingContext
from rulebot.measures.registry import MEASURES
from rulebot.model import black
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT, Option, Right, Underlying, listed, product, share, strike_of, structure_text
from rulebot.model.facts import Facts, Listing
from rulebot.model.loss_bound import loss_bound, min_proceeds, most_commissions, trade_bound
from rulebot.model.market import Board, example_price, middle, volatility
from rulebot.model.money import CENT, ZERO, Rounding, on_tick, short_dollars
from rulebot.model.payoff import least_payoff
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import sessions
from rulebot.model.text import plain, short_clock
from rulebot.model.values import dataclass
from rulebot.order.price import start_net, ticks_of
from rulebot.spec.nouns import Unit
from rulebot.spec.spec import PriceFrom, Spec
from rulebot.wording.number import FULL_DAY, naming_context

# --- A market to show an example in

_REACH = 6.0
"""Standard deviations around spot in which strikes are listed."""
_AHEAD = timedelta(days=400)


def example_view(plan: Plan) -> View:
    """Return the market at the start of the bot's first window: levels and the chains that its legs take."""
    at = plan.entry.windows[0].start.on(FULL_DAY)
    chains = {
        (leg.symbol, leg.trading_class, expiry_on(leg.expiry, _expiries(), FULL_DAY.date))
        for leg in plan.legs
        if not leg.is_shares
    }
    wanted = tuple(sorted((symbol, each, expiry) for symbol, each, expiry in chains if expiry is not None))
    shares = tuple(dict.fromkeys(leg.symbol for leg in plan.legs if leg.is_shares))
    board, facts = _quoted(at, plan.underlyings, shares, wanted)
    return View(now=at.timestamp(), session=FULL_DAY, board=board, facts=facts)


@lru_cache(maxsize=16)
def _quoted(
    at: datetime,
    underlyings: tuple[str, ...],
    shares: tuple[str, ...],
    chains: tuple[tuple[str, str, date], ...],
) -> tuple[Board, Facts]:
    """Return the market of an instant, shared read-only by all subjects with the same inputs.

    chains: the underlying's symbol, the trading class and the expiry of the options whose strikes are all known.
    """
    board = Board()
    board.alive_at = at.timestamp()
    for symbol in underlyings:
        _add_level(board, symbol, at)
    for symbol in shares:
        _add_share(board, symbol, at.timestamp())
    strikes: dict[tuple[str, str], dict[date, tuple[Decimal, ...]]] = {}
    for symbol, trading_class, expiry in chains:
        found = _chain(board, symbol, trading_class, expiry, at)
        strikes.setdefault((symbol, trading_class), {})[expiry] = found
    listings = {key: Listing(*key, _expiries(), known) for key, known in strikes.items()}
    return board, Facts(listings=listings)


@cache
def _expiries() -> tuple[date, ...]:
    return tuple(session.date for session in sessions(FULL_DAY.date, FULL_DAY.date + _AHEAD))


def _chain(board: Board, symbol: str, trading_class: str, expiry: date, at: datetime) -> tuple[Decimal, ...]:
    """Return the strikes of an expiry, with quotes of both rights on the board."""
    strikes = _strikes(symbol, expiry, at)
    for strike in strikes:
        for right in Right:
            option = listed(symbol, trading_class, expiry, strike, right is Right.CALL)
            _add_quote(board, option, at.timestamp())
    return strikes


def _add_level(board: Board, symbol: str, at: datetime) -> None:
    row = board.add(Underlying(symbol))
    board.last[row], board.last_at[row] = float(example_price(symbol)), at.timestamp()


def _add_share(board: Board, symbol: str, now: float) -> None:
    row = board.add(share(symbol))
    board.bid[row], board.ask[row] = example_price(symbol) - 0.01, example_price(symbol) + 0.01
    board.bid_size[row] = board.ask_size[row] = 1000.0
    board.quote_at[row] = now


def deviation(symbol: str, expiry: date, at: datetime) -> float:
    """Return one standard deviation of an underlying until an expiry, in points."""
    return example_price(symbol) * _volatility(expiry) * sqrt(black.years_until(expiry, at.timestamp()) or 0.0)


def _volatility(expiry: date) -> float:
    return volatility((expiry - FULL_DAY.date).days)


def _strikes(symbol: str, expiry: date, at: datetime) -> tuple[Decimal, ...]:
    step = product(symbol).strike_step
    spot = example_price(symbol)
    reach = max(int(deviation(symbol, expiry, at) * _REACH // step), 20)
    return tuple(Decimal(strike) for at in range(-reach, reach + 1) if (strike := spot + at * step) > 0)


def _add_quote(board: Board, option: Option, now: float) -> None:
    terms = (float(example_price(option.symbol)), float(option.strike), black.years_until(option.expiry, now) or 0.0)
    annual, is_call = _volatility(option.expiry), option.right is Right.CALL
    ticks = product(option.symbol).option_ticks
    worth = black.price(*terms, annual, is_call)
    bid = ticks.round(worth, Rounding.DOWN)
    ask = bid + ticks.tick(bid)
    row = board.add(option)
    if bid > 0:
        board.bid[row], board.bid_size[row] = float(bid), 10.0
    else:
        board.bid_size[row] = 0.0
    board.ask[row], board.ask_size[row] = float(ask), 10.0
    board.quote_at[row] = board.model_at[row] = now
    board.delta[row] = black.delta(*terms, annual, is_call)
    board.iv[row] = annual


# --- One example of a bot's position

ACCOUNT = Decimal(100_000)
"""Dollars that the account of the example is worth."""
LIMIT = "max_loss_per_trade"
_FURTHEST = 10.0
"""Largest factor by which the legs' prices are scaled to the example's: more would teach nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A position as it might be opened. `market` says where, `basis` at which price: as in "the least credit".

    Units: net per share of one structure, + received; commission the dollars of opening all of it; worst the dollars
    of the whole position, all commissions included, None without a bound; fees the most commissions of opening and
    closing all of it. mids: per share of each leg.
    is_bound: the price is the worst that `require` allows. missed: the rules of `require` that are false at the prices
    of the example's own market, and `max_loss_per_trade` where it refuses the first price of the order there.
    floor: the least net price by `max_loss_per_trade`, or by what `quantity` counts by; floor_by says which.
    """

    position: Position
    net: Decimal
    commission: Decimal
    fees: Decimal
    worst: Decimal | None
    market: str
    basis: str
    is_bound: bool
    floor: Decimal | None
    floor_by: str
    mids: tuple[float, ...]
    missed: tuple[str, ...] = ()

    @property
    def shares(self) -> int:
        """What a price per share of one structure is multiplied by to be dollars of the position."""
        return LOT * self.position.quantity

    @property
    def structure(self) -> str:
        """The strikes: `5935/5945p 6055/6065c`."""
        return structure_text(strike_of(leg.option, leg.ratio, leg.sign) for leg in self.position.legs)

    @property
    def verb(self) -> str:
        """What was done with the structure: sold for a credit, or bought."""
        return "sold" if self.net >= 0 else "bought"

    @property
    def is_by_count(self) -> bool:
        """Whether the price is the worst at which this many structures fit; fewer may have a worse one by `require`."""
        return self.is_bound and self.floor is not None and self.floor >= self.net and self.floor_by == "quantity"

    def closed_at(self, net: Decimal) -> Decimal:
        """Return the dollars made when all of it is closed at this net price (- is paid), commissions both ways."""
        return (self.net + net) * self.shares - self.commission - self.closing_commission(net)

    def closing_commission(self, net: Decimal) -> Decimal:
        """Return an estimate of the dollars of closing: each leg's price goes with that of the whole."""
        times = abs(float(net / self.net)) if self.net else 1.0
        legs = zip(self.position.legs, self.mids, strict=True)
        return _commission([(leg.option, -leg.sign * leg.opened, mid * times) for leg, mid in legs])


def _commission(parts: list[tuple[Option, int, float]]) -> Decimal:
    by_symbol: dict[str, list[tuple[Option, int, float]]] = {}
    for part in parts:
        by_symbol.setdefault(part[0].symbol, []).append(part)
    return sum((estimate(group) for group in by_symbol.values()), ZERO)


def example_of(plan: Plan) -> Example | None:
    """Return the position that the bot would open in the example's market; None when it finds no strikes there."""
    view = example_view(plan)
    selection = select(plan.legs, view, compile_expected_move(plan))
    if not selection.is_complete:
        return None
    quote = price_legs(selection, view)
    parts = opening_parts(selection)
    net = first = start_net(plan.order, quote, parts)
    count = counted(plan, selection, view, quote, ACCOUNT).count
    quantity = max(count, 1)
    commission = opening_commission(selection, view, quantity)
    floor, floor_by = _floor(plan, selection, commission, quantity, fits=count > 0)
    if floor is not None and _is_past_all_prices(floor, selection):
        floor, floor_by = None, ""
    shares = LOT * quantity
    stated = None if plan.order.start is PriceFrom.MARKET else stated_floor(plan.require, shares, commission)
    if stated is not None:
        least = stated if floor is None else max(stated, floor)
        is_one = len({leg.option.symbol for leg in selection.legs}) == 1
        net = ticks_of(parts).round(least, Rounding.UP) if is_one else on_tick(least, CENT, Rounding.UP)
    if net is None:
        return None
    if floor is not None:
        floor = on_tick(floor, ticks_of(parts).tick(floor), Rounding.UP)
    found = _example(
        plan, view, selection, net, commission, quantity, is_bound=stated is not None, floor=floor, floor_by=floor_by
    )
    show_candidate(view, plan, selection, quote)
    view.quantity, view.commission = quantity, float(commission)
    is_refused = first is not None and floor is not None and floor_by == LIMIT and first < floor
    return replace(found, missed=(*_missed(plan, view), *((LIMIT,) if is_refused else ())))


def _missed(plan: Plan, view: View) -> tuple[str, ...]:
    """Return the names of the rules of `require` that are false of the structure that a view shows."""
    return tuple(rule.name for rule in plan.require if compile_rule(rule, plan)(view).truth is False)


def _is_past_all_prices(floor: Decimal, selection: StructureSelection) -> bool:
    """Say whether no market brings so large a credit: it is more than closing the structure can ever cost."""
    least = least_payoff((leg.option, leg.sign * leg.price_multiplier) for leg in selection.legs)
    return least is not None and floor > max(-least, ZERO)


def _floor(
    plan: Plan, selection: StructureSelection, commission: Decimal, quantity: int, *, fits: bool
) -> tuple[Decimal | None, str]:
    """Return the least net price per share by `max_loss_per_trade` or by `quantity`, and by which of them.

    None for a market order. fits: this many are allowed by the quantity, not one for lack of any.
    """
    if plan.order.start is PriceFrom.MARKET:
        return None, ""
    least = min_proceeds(selection.legs, is_covered=plan.overwrite is not None)
    fees = most_commissions(selection.legs)
    by_risk = risk_floor(plan.risk.max_loss_per_trade, least, LOT * quantity, fees * quantity)
    by_size = None
    if fits and plan.size is not None and plan.size.amount.unit is Unit.DOLLARS:
        by_size = size_floor(plan.size, quantity, least, commission, fees, None)
    if by_size is None or (by_risk is not None and by_risk > by_size):
        return by_risk, LIMIT
    return by_size, "quantity"


def _example(
    plan: Plan,
    view: View,
    selection: StructureSelection,
    net: Decimal,
    commission: Decimal,
    quantity: int,
    *,
    is_bound: bool,
    floor: Decimal | None,
    floor_by: str,
) -> Example:
    is_covered = plan.overwrite is not None
    worst = loss_bound(selection.legs, net, is_covered=is_covered)
    mids = _scaled(selection, view, net)
    position = Position(
        id="example",
        bot=plan.name,
        digest=plan.digest,
        state="open",
        session=FULL_DAY.date,
        quantity=quantity,
        legs=_legs(selection, mids, quantity, net, commission),
        opened_at=plan.entry.windows[0].start.on(FULL_DAY),
        max_risk=None if worst is None else worst * LOT,
    )
    return Example(
        position=position,
        net=net,
        commission=commission,
        fees=most_commissions(selection.legs) * quantity,
        worst=trade_bound(selection.legs, net, quantity, is_covered=is_covered),
        market=_market(plan, selection),
        basis=_basis(plan, net, is_bound=is_bound),
        is_bound=is_bound,
        floor=floor,
        floor_by=floor_by,
        mids=mids,
    )


def _basis(plan: Plan, net: Decimal, *, is_bound: bool) -> str:
    if is_bound:
        return "the least credit" if net >= 0 else "the largest debit"
    if plan.order.price is not None:
        return "its own price"
    return f"{(PriceFrom.MID if plan.order.start is PriceFrom.MARKET else plan.order.start).value} in the example"


def _scaled(selection: StructureSelection, view: View, net: Decimal) -> tuple[float, ...]:
    """Return each leg's price so that together they are `net`, in proportion to their values."""
    mids = [middle(view.board.bid[leg.row], view.board.ask[leg.row]) for leg in selection.legs]
    together = -sum(leg.sign * leg.price_multiplier * mid for leg, mid in zip(selection.legs, mids, strict=True))
    times = float(net) / together if together else 0.0
    return tuple(mid * times if 1 / _FURTHEST <= times <= _FURTHEST else mid for mid in mids)


def _legs(
    selection: StructureSelection, mids: tuple[float, ...], quantity: int, net: Decimal, commission: Decimal
) -> tuple[PositionLeg, ...]:
    """Return the legs as filled; what rounding leaves is the first leg's, so that the whole has its price exactly."""
    prices = [Decimal(f"{mid:.4f}") for mid in mids]
    first = selection.legs[0]
    rest = net + sum(leg.sign * leg.price_multiplier * price for leg, price in zip(selection.legs, prices, strict=True))
    prices[0] -= rest * first.sign / first.price_multiplier
    return tuple(
        PositionLeg(
            name=leg.name,
            option=leg.option,
            sign=leg.sign,
            ratio=leg.ratio,
            group=leg.group,
            opened=leg.ratio * quantity,
            entry_cash=-leg.sign * price * leg.ratio * quantity * leg.option.multiplier,
            commissions=commission if at == 0 else ZERO,
        )
        for at, (leg, price) in enumerate(zip(selection.legs, prices, strict=True))
    )


def _market(plan: Plan, selection: StructureSelection) -> str:
    """Return `SPX 6000 at 10:30, expected move 35 points`."""
    at = plan.entry.windows[0].start.on(FULL_DAY)
    levels = ", ".join(f"{symbol} {plain(example_price(symbol))}" for symbol in plan.underlyings)
    option = next(leg.option for leg in selection.legs if not leg.option.is_share)
    points = deviation(option.symbol, option.expiry, at)
    of_account = plan.size is not None and plan.size.amount.unit is Unit.MULTIPLE
    account = f", an account of {short_dollars(ACCOUNT)}" if of_account else ""
    return f"{levels} at {short_clock(at)}, expected move {points:.{0 if points >= 10 else 1}f} points{account}"


# --- The exits of a plan as its spec says them

EACH_WORDS = {"each_side": "each side", "each_short": "each short leg"}


def exits_as_written(plan: Plan) -> tuple[ExitPlan, ...]:
    """Return the exits by their written names, in order; the parts of one that is judged part by part are merged."""
    parts: dict[str, list[ExitPlan]] = {}
    for planned in plan.exits:
        parts.setdefault(planned.written or planned.name, []).append(planned)
    return tuple(_merged(name, found) if found[0].each else found[0] for name, found in parts.items())


def _merged(name: str, parts: list[ExitPlan]) -> ExitPlan:
    rule, legs = parts[0].rule, tuple(dict.fromkeys(leg for part in parts for leg in part.legs))
    assert rule is not None
    judged = tuple(dict.fromkeys(leg for part in parts for leg in _judged(part)))
    rule = replace(rule, name=name, test=_of(rule.test, judged))
    return replace(parts[0], name=name, legs=legs, rule=rule, roll=_rolled(parts))


def _rolled(parts: list[ExitPlan]) -> RollPlan | None:
    """Return what the parts roll into as one, each leg once; None where they close."""
    first = parts[0].roll
    if first is None:
        return None
    legs = {leg.name: leg for part in parts if part.roll is not None for leg in part.roll.legs}
    return replace(first, legs=tuple(legs.values()))


def _call(test: Truth) -> Call:
    call = test.left if isinstance(test, Compare) else test.call if isinstance(test, Holds) else None
    assert isinstance(call, Call)
    return call


def _judged(planned: ExitPlan) -> tuple[str, ...]:
    of = _call(planned.rule.test).argument("of") if planned.rule is not None else ()
    return of if isinstance(of, tuple) else ()


def _of(test: Truth, judged: tuple[str, ...]) -> Truth:
    """Return the test of all legs that are judged; one of the whole position by default names none."""
    call = _call(test)
    given: dict[str, Argument] = dict(call.arguments)
    given.pop("of")
    if MEASURES[call.measure].is_of_shorts:
        given["of"] = judged
    call = replace(call, arguments=tuple(sorted(given.items(), key=lambda item: item[0])))
    return replace(test, left=call) if isinstance(test, Compare) else Holds(call)


def each_words(planned: ExitPlan) -> str:
    """Return `each side separately`, "" for an exit that is judged as one."""
    if not planned.each or planned.rule is None:
        return ""
    return f"{EACH_WORDS[planned.each]} separately{_against(planned.rule)}"


def naming_context_for(planned: ExitPlan, cast: NamingContext) -> NamingContext:
    """Return the subject of an exit: percentages of one that is judged part by part are of the part's price."""
    return replace(cast, entry="entry price of that part") if planned.each else cast


def _against(rule: Rule) -> str:
    """Return the subject of a multiple of the credit: the whole structure's, also for a part of it."""
    base = {call.measure for call in calls_of(rule.test)} & {"credit", "debit"}
    return f", against the {base.pop()} of the whole structure" if base else ""


# --- What an explanation is about


@dataclass(frozen=True, slots=True)
class Subject:
    """One bot. `example` is None when the example's market has no strikes that its legs would take.

    alternatives: of `choose`, each by its name as a bot that has no other structure; the rest is that of the first.
    """

    spec: Spec
    bot: CompiledBot
    example: Example | None
    alternatives: "tuple[tuple[str, Subject], ...]" = ()

    @property
    def plan(self) -> Plan:
        """Return the bot, compiled."""
        return self.bot.plan

    @property
    def exits(self) -> tuple[ExitPlan, ...]:
        """Return its exits as the spec says them, in order of priority."""
        return exits_as_written(self.plan)

    @property
    def cast(self) -> NamingContext:
        """Return the subject of its rules."""
        return naming_context(self.plan)


def subject_of(spec: Spec, plan: Plan) -> Subject:
    """Return the bot with its example."""
    bot = compile_bot(plan)
    if not plan.choices:
        return Subject(spec, bot, example_of(plan))
    pairs = zip(variants(spec), bot.choices, strict=True)
    found = [(choice.name, Subject(variant.spec, choice.bot, example_of(choice.bot.plan))) for variant, choice in pairs]
    return Subject(spec, bot, found[0][1].example, tuple(found))
