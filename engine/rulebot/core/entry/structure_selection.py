"""The structure an entry would take: recorded, priced, and held against `require`."""

from datetime import timedelta
from decimal import Decimal

from rulebot.compile.plan import Plan
from rulebot.core.entry.alternatives import PLACE as CHOICE
from rulebot.core.entry.alternatives import still_takes
from rulebot.core.entry.universe_requirements import PLACE as OFFER
from rulebot.core.entry.universe_requirements import still_offers
from rulebot.core.gate.covered_calls import no_cover, structures_covered
from rulebot.core.gate.margin import margin_added
from rulebot.core.program import CompiledBot, CompiledRule
from rulebot.core.queries.entry_blocks import not_trading, skip
from rulebot.core.queries.openings import opening_parts
from rulebot.core.rules.near_misses import record_limit_miss, record_miss
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rules, failing
from rulebot.core.rules.selections import record_selection
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot
from rulebot.core.state.entry_obstacles import without_numbers
from rulebot.core.state.lists import legs_seen, readings_of, view_of
from rulebot.core.state.state import HALTS, ConfirmationProgress, Reading, position_of
from rulebot.decide.account_rules import grown
from rulebot.decide.limits import Priced, SizeLimits, fitting
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.view import View
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT, Option
from rulebot.model.loss_bound import loss_bound, most_commissions
from rulebot.model.market import middle
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.order.price import NetQuote, last_net, net_quote, start_net
from rulebot.spec.spec import Fits
from rulebot.wording.condition import describe

NO_LONGER = "its conditions no longer hold"
"""Reasons of cancelled entries."""
FIRST_QUOTES = timedelta(seconds=10)
"""How long after a connection the quotes that conditions read may take to come."""


def note_selection(
    work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection, reason: str
) -> None:
    """Record a selection when its outcome changed."""
    name = bot.plan.name
    key = " ".join(filter(None, ("selection", bot.symbol, bot.alternative, without_numbers(reason))))
    state = work.bots.by_name[name]
    if key in state.alarmed:
        return
    set_bot(work, name, replace(state, alarmed=state.alarmed | {key}))
    record_selection(work, bot, view, selection, reason)


def price_legs(selection: StructureSelection, view: View) -> NetQuote:
    """Return what opening the selected structure brings, mid and natural."""
    return net_quote(opening_parts(selection), view.board, view.now, reported=view.facts.ticks)


def show_candidate(view: View, plan: Plan, selection: StructureSelection, quote: NetQuote) -> None:
    """Let the view see a structure at the price its order would start from."""
    view.legs = selection.legs
    view.is_covered = plan.overwrite is not None
    net = start_net(plan.order, quote, opening_parts(selection))
    view.start_price = None if net is None else float(net)


def require_holds(
    work: StateBuilder,
    bot: CompiledBot,
    view: View,
    selection: StructureSelection,
    quote: NetQuote,
    readings: tuple[Reading, ...],
    *,
    is_first: bool = False,
    quantity: int = 0,
) -> bool:
    """Judge `require` on the structure; a miss is remembered like one of `when`. `is_first`: nothing was sent yet.

    What only the broker's answer on margin can decide is passed over without one: it is asked for next, and once the
    order is sent no more.
    quantity: of a position that is being entered; else as many as the spec asks for, as fit, or as shares cover.
    """
    plan = bot.plan
    show_candidate(view, plan, selection, quote)
    fits = SizeLimits(quantity) if quantity else how_many(work, bot, view, selection, quote)
    if not fits.count:
        _none_fits(work, bot, view, selection, fits, readings)
        return False
    view.quantity = fits.count
    view.commission = float(opening_commission(selection, view, fits.count))
    place = bot.place("require")
    view.margin = margin_added(work, bot, selection, fits.count) if is_first else None
    rules = [compiled for compiled in bot.require if not _waits_for_margin(compiled, view)]
    required = evaluate_rules(work, plan.name, place, rules, view)
    if not quote.missing and all(confirmed(work, plan.name, place, r, view) is True for r in required):
        return True
    missed = failing(required)
    if missed:
        words = record_structure_miss(work, bot, view, selection, missed, (*readings, *required))
        if plan.entry.once and is_first and not quote.missing and all(r.evaluation.truth is not None for r in required):
            put_day(work, work.bots.by_name[plan.name].day.note(bot.symbol, decided=f"{missed[0].rule.name} {words}"))
    elif quote.missing:
        set_bot(work, plan.name, replace(work.bots.by_name[plan.name], status_text=quote.missing))
        record_limit_miss(work, bot, "price", quote.missing, (*readings, *required), is_known=False)
        note_selection(work, bot, view, selection, f"price: {quote.missing}")
    else:
        set_bot(work, plan.name, replace(work.bots.by_name[plan.name], status_text="confirmation"))
    return False


def _waits_for_margin(compiled: CompiledRule, view: View) -> bool:
    """Say whether only the broker's answer can decide a condition, and is not there."""
    return view.margin is None and "margin" in compiled.rule.reads and compiled.judge(view).truth is None


def record_structure_miss(
    work: StateBuilder,
    bot: CompiledBot,
    view: View,
    selection: StructureSelection,
    missed: list[Reading],
    readings: tuple[Reading, ...],
) -> str:
    """Remember rules that a structure missed, and record it with the first of them; return the words of that one."""
    record_miss(work, bot, missed, readings)
    words = describe(missed[0].rule, missed[0].evaluation)
    note_selection(work, bot, view, selection, f"{missed[0].rule.name}: {words}")
    return words


def still_holds(work: StateBuilder, bot: CompiledBot, position: Position) -> bool:
    """Judge `when`, the choice and `require` again for a working entry; during a halt they do not hold.

    For a manual entry, `when`, universe and `choose` are not judged. The shares that the entry itself needs count as
    free.
    """
    view = view_of(work, entering=position.id)
    name = position.bot
    if reason := not_trading(work, bot.plan.underlyings):
        skip(work, name, reason, bot.symbol)
        return False
    whole = work.program.text(position.bot, position.digest)
    head = whole.on(bot.symbol)
    _was_confirmed(work, whole, bot)
    by_hand = work.bots.by_name[name].manual_position == position.id
    if not by_hand and not still_offers(work, whole, bot.symbol, view):
        return False
    place = head.place("when")
    readings = () if by_hand else evaluate_rules(work, name, place, head.when, view)
    if not all(confirmed(work, name, place, reading, view) is True for reading in readings):
        return False
    if not by_hand and not still_takes(work, head, view, position.alternative):
        return False
    selection = StructureSelection(legs_seen(work, position), ())
    quote = price_legs(selection, view)
    if reason := no_cover(work, bot, position):
        skip(work, name, reason, bot.symbol)
        return False
    return bool(quote.missing) or require_holds(work, bot, view, selection, quote, readings, quantity=position.quantity)


def awaits_quotes(work: StateBuilder, name: str) -> bool:
    """Say whether a try that may not be made is only not judged yet: the connection has just come, and quotes have not.

    Nothing that was judged at this instant of what leads to the entry is false, and some of it is unknown.
    """
    linked_at = work.connection.linked_at
    if linked_at is None or work.at - linked_at > FIRST_QUOTES or work.bots.by_name[name].day.halt:
        return False
    readings = readings_of(work, name).items()
    truths = {key: each.evaluation.truth for key, each in readings if each.at == work.at and not position_of(key[0])}
    is_false = any(truth is False for (place, _), truth in truths.items() if place != HALTS)
    return None in truths.values() and not is_false


def _was_confirmed(work: StateBuilder, whole: CompiledBot, bot: CompiledBot) -> None:
    """Count the conditions of a working entry as confirmed after a restart, which loses their progress."""
    name, head = bot.plan.name, whole.on(bot.symbol)
    rules = [(head.place("when"), rule) for rule in head.when]
    rules += [(bot.place("require"), rule) for rule in bot.require]
    for choice in head.choices:
        rules += [(head.place(CHOICE), rule) for rule in choice.when if choice.bot.alternative == bot.alternative]
    for member in whole.members:
        rules += [(head.place(OFFER), rule) for rule in member.require if member.symbol == bot.symbol]
    state = work.bots.by_name[name]
    keys = {(place, each.rule.name): each.rule.confirm for place, each in rules if each.rule.confirm is not None}
    new = {
        key: ConfirmationProgress(confirm.quotes or 1) for key, confirm in keys.items() if key not in state.confirming
    }
    if new:
        set_bot(work, name, replace(state, confirming={**state.confirming, **new}))


def _none_fits(
    work: StateBuilder,
    bot: CompiledBot,
    view: View,
    selection: StructureSelection,
    fits: SizeLimits,
    readings: tuple[Reading, ...],
) -> None:
    """Remember why not one structure fits: as a miss, where it is known."""
    name, reason = bot.plan.name, fits.missing or fits.refused
    set_bot(work, name, replace(work.bots.by_name[name], status_text=reason))
    if fits.refused:
        record_limit_miss(work, bot, "quantity", f"0: {fits.refused.removeprefix('quantity: ')}", readings)
    note_selection(work, bot, view, selection, reason)
    if bot.plan.entry.once and fits.refused:
        put_day(work, work.bots.by_name[name].day.note(bot.symbol, decided=fits.refused))


def how_many(
    work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection, quote: NetQuote
) -> SizeLimits:
    """Return how many structures to enter now."""
    if bot.plan.overwrite is not None:
        return structures_covered(work, bot, bot.plan.overwrite, selection)
    if bot.plan.growth is not None:
        return SizeLimits(
            grown(bot.plan.growth, work.bots.by_name[bot.plan.name].day, bot.plan.quantity, bot.plan.digest)
        )
    return counted(bot.plan, selection, view, quote, work.market.facts.account.net_liquidation)


def counted(
    plan: Plan, selection: StructureSelection, view: View, quote: NetQuote, net_liquidation: Decimal | None
) -> SizeLimits:
    """Return how many structures a spec asks for: its count, or the most that fit its budget.

    What they could lose or cost is counted at the last rung of the order, so that its ladder has room; what they bring
    at the first.
    """
    if plan.size is None:
        return SizeLimits(plan.quantity)
    parts = opening_parts(selection)
    is_credit = plan.size.fits is Fits.CREDIT
    net = start_net(plan.order, quote, parts) if is_credit else last_net(plan.order, quote, parts)
    if net is None:
        return SizeLimits(0, missing=f"quantity counts by the order's price: {quote.missing or 'it has none'}")
    return fitting(plan.size, plan.quantity, priced(selection, view, net), net_liquidation)


def priced(selection: StructureSelection, view: View, net: Decimal) -> Priced:
    """Return one structure at a net price, for sizing."""
    return Priced(
        net=net,
        worst=loss_bound(selection.legs, net),
        shares=LOT,
        commission=lambda count: opening_commission(selection, view, count),
        fees=most_commissions(selection.legs),
    )


def opening_commission(selection: StructureSelection, view: View, quantity: int) -> Decimal:
    """Return the estimated dollars of opening the structure (one order per underlying when sent leg by leg)."""
    by_symbol: dict[str, list[tuple[Option, int, float]]] = {}
    for leg in selection.legs:
        bid, ask = (view.board.bid[leg.row], view.board.ask[leg.row]) if leg.row >= 0 else (0.0, 0.0)
        premium = middle(bid, ask) if ask == ask else 0.0
        by_symbol.setdefault(leg.option.symbol, []).append((leg.option, leg.sign * leg.ratio * quantity, premium))
    return sum((estimate(parts) for parts in by_symbol.values()), Decimal(0))
