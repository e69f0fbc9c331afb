"""Covered calls: how many calls the account's shares allow, and what happens when shares are gone.

The calls of a bot with `overwrite` use part of all shares of the account, never shares that another call needs. When
shares are sold externally, working entries are cancelled and a person is alarmed. Nothing is bought or closed: only
that person knows the intention.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from rulebot.compile.plan import Overwrite
from rulebot.core.emit.orders import cancel
from rulebot.core.program import CompiledBot
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import (
    active_positions,
    all_live_orders,
    governing,
    is_opening,
    is_suspect,
    positions_of,
    shares_of,
)
from rulebot.core.state.share_coverage import shares_needed
from rulebot.core.state.turn import alarm
from rulebot.decide.limits import ShareCoverage, SizeLimits
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measures.account import NOT_REPORTED
from rulebot.model.cause import Cause
from rulebot.model.contract import LOT
from rulebot.model.loss_bound import ShareHolding, uncovered_calls
from rulebot.model.money import ZERO
from rulebot.model.order import Purpose
from rulebot.model.position import Position

PATIENCE = timedelta(seconds=30)
"""How long shares may be missing before the alarm: an assignment may take them before the call disappears."""


# ---------------------------------------------------------------- how many


def structures_covered(
    work: StateBuilder, bot: CompiledBot, band: Overwrite, selection: StructureSelection
) -> SizeLimits:
    """Return how many of the chosen structures the shares of their symbol allow, or why there are none."""
    symbol = bot.plan.underlyings[0]
    shares = shares_of(work, symbol)
    if shares is None:
        return SizeLimits(0, missing=NOT_REPORTED)
    each, own = _needed(selection, symbol), _against(work, bot, symbol)
    count = most_within(band, shares, each, own)
    return SizeLimits(count, refused="" if count else f"quantity: {too_few(band, shares, each, own, symbol)}")


def without_shares(work: StateBuilder, bot: CompiledBot) -> str:
    """Return why the shares of its symbol allow not one call against them, "" where they do, or where some are sold."""
    symbol, band = bot.plan.underlyings[0], bot.plan.overwrite
    shares = shares_of(work, symbol)
    if band is None or shares is None or _against(work, bot, symbol) or most_within(band, shares, LOT, 0):
        return ""
    return too_few(band, shares, LOT, 0, symbol)


def _against(work: StateBuilder, bot: CompiledBot, symbol: str) -> int:
    """Return the shares of a symbol that the bot's calls need."""
    held = (position for position in positions_of(work, bot.plan.name) if _symbol_of(position) == symbol)
    return sum(_needed_by(work, position) for position in held)


def most_within(band: Overwrite, shares: ShareHolding, each: int, own: int) -> int:
    """Return the most structures that need `each` shares and stay in the band with `own`; 0 if there are none.

    Units: shares. `own`: shares that the bot's calls already need. The band is a fraction of all shares held.
    """
    room = min(shares.held * band.most - own, shares.free)
    count = int((room / each).to_integral_value(ROUND_FLOOR)) if each > 0 and room > 0 else 0
    return count if own + count * each >= shares.held * band.least else 0


def too_few(band: Overwrite, shares: ShareHolding, each: int, own: int, symbol: str) -> str:
    """Return in words why `most_within` is 0."""
    if shares.held <= 0:
        return f"the account holds no {symbol} shares"
    most = shares.held * band.most
    found = f"{_plain(band.most * 100)}% of {_plain(shares.held)} {symbol} shares is {_plain(most)}"
    found += f", {own:,} cover its own calls" if own else ""
    if shares.free < most - own:
        found += f", {_plain(shares.free)} are held that no call needs"
    is_below = min(most - own, shares.free) >= each
    return f"{found}: less than {_plain(band.least * 100)}%" if is_below else f"{found}: too few for {each:,}"


def _plain(number: Decimal) -> str:
    """Return `1,000` or `62.5`."""
    return f"{number:,f}".rstrip("0").rstrip(".") if number % 1 else f"{number:,.0f}"


def cover_of(
    work: StateBuilder, bot: CompiledBot, selection: StructureSelection, quantity: int
) -> ShareCoverage | None:
    """Return the shares that an entry needs and those that are free; None unless shares are to cover its calls."""
    if bot.plan.overwrite is None:
        return None
    symbol = bot.plan.underlyings[0]
    shares = shares_of(work, symbol)
    return ShareCoverage(symbol, _needed(selection, symbol) * quantity, ZERO if shares is None else shares.free)


def _needed(selection: StructureSelection, symbol: str) -> int:
    return uncovered_calls(((leg.option, leg.sign * leg.ratio) for leg in selection.legs), symbol)


# ---------------------------------------------------------------- when shares are gone


def no_cover(work: StateBuilder, bot: CompiledBot, position: Position) -> str:
    """Return why the calls of a position that is being entered lack shares, "" while they do not."""
    if bot.plan.overwrite is None:
        return ""
    symbol = bot.plan.underlyings[0]
    missing = _missing(work, symbol)
    return f"its calls lack {_plain(missing)} {symbol} shares" if missing > 0 else ""


def shares_changed(work: StateBuilder, symbol: str) -> dict[str, datetime]:
    """Judge bots on this underlying again and cancel uncovered entries; return what lacks shares, since when."""
    for name, bot in work.program.bots.items():
        if any(symbol in each.plan.underlyings for each in bot.structures()):
            wake(work, name, 0.0)
    _take_entries_back(work, symbol)
    return lacking(work, work.account.uncovered)


def _take_entries_back(work: StateBuilder, symbol: str) -> None:
    for order in all_live_orders(work):
        position = work.positions.by_id[order.position]
        bot = governing(work, position)
        is_one = order.purpose is Purpose.ENTRY and symbol in bot.plan.underlyings
        if is_one and (reason := no_cover(work, bot, position)):
            cancel(work, order, Cause.NOT_COVERED, detail=reason)


def lacking(work: StateBuilder, known: Mapping[str, datetime]) -> dict[str, datetime]:
    """Return the symbols with fewer shares than their short calls need."""
    symbols = {governing(work, position).plan.underlyings[0] for position in _overwriting(work)}
    return {symbol: known.get(symbol, work.at) for symbol in sorted(symbols) if _missing(work, symbol) > 0}


def close_uncovered_calls(work: StateBuilder) -> dict[str, datetime]:
    """Alarm of calls without covering shares; cancel working entries of symbols whose shares are unknown."""
    found = lacking(work, work.account.uncovered)
    for symbol, since in found.items():
        _take_entries_back(work, symbol)
        if work.at - since < PATIENCE:
            continue
        shares, missing = shares_of(work, symbol), _missing(work, symbol)
        held = ZERO if shares is None else shares.held + shares.coming
        for position in _overwriting(work):
            if governing(work, position).plan.underlyings[0] == symbol:
                text = f"the account holds {_plain(held)} {symbol} shares, {_plain(missing)} fewer than the calls sold"
                text = f"{text} against them need: nothing is traded for it, a person must look"
                alarm(work, position.bot, text, position.id)
    return found


def _overwriting(work: StateBuilder) -> list[Position]:
    """Return the positions whose calls shares are to cover, and that need any; not those that the account may lack."""
    return [
        position
        for position in active_positions(work)
        if governing(work, position).plan.overwrite is not None
        if not position.hold and not is_suspect(work, position) and _needed_by(work, position)
    ]


def _needed_by(work: StateBuilder, position: Position) -> int:
    symbol = _symbol_of(position)
    opens = is_opening(work, position)
    return max(shares_needed(position, symbol, work.schedule.session, work.at, is_opening=opens))


def _symbol_of(position: Position) -> str:
    return position.legs[0].option.symbol


def _missing(work: StateBuilder, symbol: str) -> Decimal:
    """Return how many shares more the calls need that shares are to cover, and those sold by hand, than are held.

    Shares that another bot's entry has still to buy take none away: they are not in the account yet.
    """
    shares = shares_of(work, symbol)
    if shares is None:
        return ZERO
    covered = sum(_needed_by(work, each) for each in _overwriting(work) if _symbol_of(each) == symbol)
    return shares.by_hand + covered - shares.held - shares.coming
