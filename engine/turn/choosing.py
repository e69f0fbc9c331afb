"""The structure an entry would take: recorded, priced, and held against `require`."""

from dataclasses import replace
from decimal import Decimal

from engine.decide.limits import halt_words
from engine.evaluate.select import Selection, select
from engine.evaluate.snapshot import LegView, View
from engine.evaluate.wording import describe
from engine.model.commission import estimate
from engine.model.contract import Option
from engine.model.position import Position
from engine.model.quotes import level_of
from engine.order.ladder import start_net
from engine.order.price import NetQuote, Part, net_quote
from engine.record.record import Json, Kind
from engine.turn.covering import no_cover
from engine.turn.judging import confirmed, failing, judge_all, rounded
from engine.turn.missing import miss
from engine.turn.program import CompiledBot
from engine.turn.refusing import halted, skip
from engine.turn.state import Reading
from engine.turn.work import Work


def note_selection(work: Work, bot: CompiledBot, view: View, selection: Selection, reason: str) -> None:
    """Record a selection when its outcome changed."""
    name = bot.plan.name
    key = f"selection {reason.partition(':')[0]}"
    state = work.bots[name]
    if key in state.alarmed:
        return
    work.set_bot(name, replace(state, alarmed=state.alarmed | {key}))
    record_selection(work, bot, view, selection, reason)


def record_selection(
    work: Work, bot: CompiledBot, view: View, selection: Selection, reason: str, position: str = ""
) -> None:
    """Record what each leg asked for and the strikes it looked at: the same choice once more, explained."""
    plan = bot.plan
    avoid = work.blocked_for(plan.name)
    choices = select(plan.legs, plan.expiry, view, bot.expected_move, avoid, explain=True).choices
    legs: list[Json] = []
    for choice in choices if selection.choices else ():
        candidates: list[Json] = [
            {
                "strike": str(candidate.strike),
                "bid": candidate.bid,
                "ask": candidate.ask,
                "delta": candidate.delta,
                "distance": round(candidate.distance, 6),
            }
            for candidate in choice.candidates
        ]
        found = "" if choice.option is None else str(choice.option)
        legs.append({"name": choice.name, "asked": choice.asked, "found": found, "candidates": candidates})
    levels = {leg.option.symbol: level_of(work.state.board, leg.option.symbol, work.now) for leg in selection.legs}
    spots: dict[str, Json] = {symbol: rounded(level) for symbol, level in levels.items()}
    work.record(Kind.SELECTION, plan.name, position, legs=legs, reason=reason, spots=spots)


def price_legs(selection: Selection, view: View) -> NetQuote:
    """Return what opening the selected structure brings, mid and natural."""
    return net_quote([Part(leg.option, -leg.sign, leg.weight) for leg in selection.legs], view.board, view.now)


def require_holds(
    work: Work,
    bot: CompiledBot,
    view: View,
    selection: Selection,
    quote: NetQuote,
    readings: tuple[Reading, ...],
    *,
    is_first: bool = False,
) -> bool:
    """Judge `require` on so many of the structure as the view has; a miss is remembered like one of `when`.

    `is_first`: nothing was sent yet.
    """
    plan = bot.plan
    view.legs = selection.legs
    view.is_covered = plan.overwrite is not None
    parts = tuple(Part(leg.option, -leg.sign, leg.weight) for leg in selection.legs)
    net = start_net(plan.order, quote, parts, None)
    view.start_price = None if net is None else float(net)
    view.commission = float(opening_commission(selection, view, view.quantity))
    required = judge_all(work, plan.name, "require", bot.require, view)
    if not quote.missing and all(confirmed(work, plan.name, "require", r, view) is True for r in required):
        return True
    missed = failing(required)
    if missed:
        miss(work, bot, missed, (*readings, *required))
        words = describe(missed[0].rule, missed[0].verdict)
        note_selection(work, bot, view, selection, f"{missed[0].rule.name}: {words}")
        if plan.entry.once and is_first and not quote.missing and all(r.verdict.truth is not None for r in required):
            work.put_day(replace(work.bots[plan.name].day, decided=f"{missed[0].rule.name} {words}"))
    else:
        work.set_bot(plan.name, replace(work.bots[plan.name], waits=quote.missing or "confirmation"))
    return False


def still_holds(work: Work, bot: CompiledBot, position: Position) -> bool:
    """Judge `when` and `require` again on the structure that is being entered; in a halt it does not hold."""
    view = work.view()
    name = position.bot
    if reason := halt_words(halted(work, bot.plan.underlyings)):
        skip(work, name, reason)
        return False
    readings = judge_all(work, name, "when", bot.when, view)
    if not all(confirmed(work, name, "when", reading, view) is True for reading in readings):
        return False
    rows = work.state.board.rows
    legs = tuple(LegView(x.name, x.option, rows.get(x.option, -1), x.sign, x.ratio) for x in position.legs)
    selection = Selection(legs, ())
    view.quantity = position.quantity
    quote = price_legs(selection, view)
    if reason := no_cover(work, bot, position):
        skip(work, name, reason)
        return False
    return bool(quote.missing) or require_holds(work, bot, view, selection, quote, readings)


def opening_commission(selection: Selection, view: View, quantity: int) -> Decimal:
    """Return the estimated dollars of opening the structure (one order per underlying when sent leg by leg)."""
    by_symbol: dict[str, list[tuple[Option, int, float]]] = {}
    for leg in selection.legs:
        bid, ask = (view.board.bid[leg.row], view.board.ask[leg.row]) if leg.row >= 0 else (0.0, 0.0)
        premium = (bid + ask) / 2 if bid == bid and ask == ask else 0.0
        by_symbol.setdefault(leg.option.symbol, []).append((leg.option, leg.ratio * quantity, premium))
    return sum((estimate(parts) for parts in by_symbol.values()), Decimal(0))
