"""Manual entries: an operator asks one bot to enter at once, whatever its window and its `when` say.

The request may name the structure, as a row of a scan; then only that one is entered, whatever symbol of the universe
and whatever `choose` says. Everything else applies: daily and open-position caps, `require`, limits of bot and account,
pause, halt. The request is valid for a minute, in which it waits for quotes and a margin answer; a restart does not
repeat it.
"""

from collections.abc import Iterator
from datetime import timedelta

from rulebot.compile.plan import LegPlan
from rulebot.core.entry.alternatives import take_alternative
from rulebot.core.entry.entry_orders import PAST_EXITS
from rulebot.core.entry.entry_rules import choose_and_send, is_entering, send_selected, start_window
from rulebot.core.program import CompiledBot
from rulebot.core.queries.entry_blocks import not_trading
from rulebot.core.queries.openings import bot_of_named
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.rules.selections import taken_for
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot, set_wake, unindex
from rulebot.core.state.lists import blocked_for, positions_of, view_of
from rulebot.core.state.state import Named
from rulebot.decide.entry_window import opportunity
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.listings import expiry_on
from rulebot.measure.view import LegView, View
from rulebot.model.contract import Option
from rulebot.model.position import count_trades
from rulebot.model.values import replace
from rulebot.record.record import Kind

# --- A structure that an operator names by its contracts, as a row of a scan has it

AGAIN = "scan again, and enter a new row"


def unfit(work: StateBuilder, whole: CompiledBot, named: Named) -> str:
    """Return why a bot may not enter this structure now; "" if its spec could have chosen it."""
    bot = bot_of_named(whole, named)
    if bot is None:
        which = f"{named.symbol} {named.alternative}".rstrip()
        return f"its text has no structure {which} now: {AGAIN}"
    legs = {leg.name: leg for leg in bot.plan.legs}
    if legs.keys() != dict(named.legs).keys():
        return f"its text has other legs than {', '.join(name for name, _ in named.legs)} now: {AGAIN}"
    taken = taken_for(work, bot)
    for name, option in named.legs:
        leg = legs[name]
        if reason := next(_misfits(work, leg, option), ""):
            return f"{name}: {reason}"
        if option in blocked_for(work, whole.plan.name) or (option, leg.sign) in taken:
            return f"{name}: an order or a position is on the other side in {option}"
    return ""


def _misfits(work: StateBuilder, leg: LegPlan, option: Option) -> Iterator[str]:
    """Yield why the leg of a text cannot be this contract; what is not listed yet may be."""
    if option.is_share is not leg.is_shares or option.symbol != leg.symbol:
        yield f"its text has no {option} there now: {AGAIN}"
    elif not leg.is_shares:
        if option.right is not leg.right or option.trading_class != leg.trading_class:
            yield f"its text has no {option} there now: {AGAIN}"
        if option.expiry < work.schedule.session.date:
            yield f"{option} is over: {AGAIN}"
        listing = work.market.facts.listings.get((leg.symbol, leg.trading_class))
        if listing is not None:
            expiry = expiry_on(leg.expiry, listing.expiries, work.schedule.session.date)
            if expiry != option.expiry:
                yield f"its text takes {expiry or 'no expiry'} today, and not {option.expiry}: {AGAIN}"
            strikes = listing.strikes.get(option.expiry)
            if strikes and option.strike not in strikes:
                yield f"{option} is not listed"


def named_selection(bot: CompiledBot, named: Named, view: View) -> StructureSelection:
    """Return the structure as a choice, in the order of the bot's legs. named: one that is not `unfit`."""
    options, rows = dict(named.legs), view.board.rows
    return StructureSelection(
        tuple(
            LegView(leg.name, options[leg.name], rows.get(options[leg.name], -1), leg.sign, leg.ratio, leg.group)
            for leg in bot.plan.legs
        ),
        (),
    )


# --- What an operator asks of one bot by hand

PATIENCE = timedelta(seconds=60)
"""How long an entry that was asked for waits until all that it needs is known."""
ASKED = "asked by the operator: "
"""First words of the reason of a refused manual entry."""
NO_BROKER = "there was no connection to the broker"
"""Reason of a manual entry that expired without an answer."""
LOOK_EVERY = 1.0
"""Seconds between two looks at whether it is."""


def ask_entry(work: StateBuilder, name: str, named: Named | None = None) -> None:
    """Keep that an entry of a bot is asked for, or say why it cannot be.

    named: the structure, where it is not the bot's choice.
    """
    bot = work.program.bots.get(name)
    if bot is None:
        return
    if reason := _refusal(work, bot, named):
        _end(work, name, reason)
    else:
        waits = "to enter, as asked" if work.connection.is_linked else NO_BROKER
        set_bot(
            work,
            name,
            replace(work.bots.by_name[name], manual_entry_until=work.at + PATIENCE, named=named, status_text=waits),
        )
        set_wake(work, name, work.at)
        unindex(work)


def ask_on(work: StateBuilder, name: str) -> None:
    """Try other contracts for a manual entry whose contracts the broker refused, whatever the window.

    If the operator named the contracts, no others are tried.
    """
    if work.bots.by_name[name].is_named:
        _end(work, name, "the broker has orders of the other side in one of its contracts")
        return
    set_bot(work, name, replace(work.bots.by_name[name], manual_entry_until=work.at + PATIENCE))
    unindex(work)


def evaluate_manual_entry(work: StateBuilder, bot: CompiledBot, blocked: str) -> None:
    """Enter as an operator asked, unless something blocks it; `blocked`: why nothing may enter now."""
    name = bot.plan.name
    state = replace(work.bots.by_name[name], is_waiting_to_enter=False)
    assert state.manual_entry_until is not None
    set_bot(work, name, state)
    wake(work, name, LOOK_EVERY)
    named = state.named
    taken = bot if named is None else bot_of_named(bot, named) or bot
    reason = _refusal(work, bot, named) or not_trading(work, taken.plan.underlyings)
    if not reason and work.at >= state.manual_entry_until:
        reason = blocked or state.status_text
    if reason:
        _end(work, name, reason)
        return
    if blocked:
        set_bot(work, name, replace(state, status_text=blocked))
        return
    start_window(work, bot)
    decided, known = work.bots.by_name[name].day.of_member(taken.symbol).decided, set(work.positions.by_id)
    _choose_and_send(work, taken, named)
    if entered := [position for position in work.positions.by_id if position not in known]:
        found = replace(
            work.bots.by_name[name], manual_entry_until=None, manual_position=entered[0], is_named=named is not None
        )
        set_bot(work, name, found)
    elif (day := work.bots.by_name[name].day).of_member(taken.symbol).decided and not decided:
        put_day(work, day.note(taken.symbol, decided=decided))  # does not count as the bot's own try under `try: once`


def _choose_and_send(work: StateBuilder, bot: CompiledBot, named: Named | None) -> None:
    """Send the structure that is named, of the bot that is its symbol and alternative, or the one that it chooses."""
    view = view_of(work)
    if named is not None:
        send_selected(work, bot, view, named_selection(bot, named, view), ())
    elif (taken := take_alternative(work, bot, view, ())) is not None:
        choose_and_send(work, taken[0], view, taken[1])


def give_up(work: StateBuilder, name: str, reason: str) -> None:
    """Record why a waiting manual entry will not be sent."""
    if name in work.bots.by_name and work.bots.by_name[name].manual_entry_until is not None:
        _end(work, name, reason)


def _refusal(work: StateBuilder, bot: CompiledBot, named: Named | None) -> str:
    """Return why a manual entry is impossible whatever the market does; "" while it is possible."""
    if named is None:
        return "it chooses among symbols by its conditions" if bot.members else _spent(work, bot)
    if reason := _spent(work, bot) or unfit(work, bot, named):
        return reason
    held = (leg.option.symbol for each in positions_of(work, bot.plan.name) for leg in each.legs)
    return f"{named.symbol} is held" if bot.members and named.symbol in held else ""


def _spent(work: StateBuilder, bot: CompiledBot) -> str:
    """Return which cap leaves no entry; "" while one remains. The windows' times are those of the session.

    A decision of the bot by its conditions is no cap.
    """
    name = bot.plan.name
    if not work.requests.operator.may_enter(name):
        return work.requests.operator.reason or "the operator lets it enter nothing"
    if is_entering(work, name):
        return "an entry of it is working"
    session = work.schedule.session
    if not session.is_on(work.at):
        return "the market is closed"
    if bot.latest_entry(session) <= work.at:
        return PAST_EXITS
    entry = replace(bot.plan.entry, days=())
    open_now = count_trades(positions_of(work, name))
    day = replace(work.bots.by_name[name].day, decided="")
    if bot.members:
        day = replace(day, before=day.entries)  # each symbol has its own entry
    found = opportunity(entry, session, (session.open, session.close), day, open_now, work.at)
    return "" if found.is_open else found.reason


def _end(work: StateBuilder, name: str, reason: str) -> None:
    set_bot(
        work, name, replace(work.bots.by_name[name], manual_entry_until=None, named=None, is_waiting_to_enter=False)
    )
    work.record(Kind.DECISION, name, what="skip", reason=f"{ASKED}{reason}", values=[], by_hand=True)
