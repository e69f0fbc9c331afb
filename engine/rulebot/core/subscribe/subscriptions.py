"""Which contracts are streamed, and which bots wake when a row of the board moves."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, time, timedelta

from rulebot.compile.plan import Plan
from rulebot.core.program import CompiledBot
from rulebot.core.queries.account import is_unreported, suspicions_due
from rulebot.core.queries.openings import bot_of_named
from rulebot.core.queries.orders import option_has_expired, resting_orders
from rulebot.core.queries.schedule import (
    OPENING_MINUTES,
    SETTLED_AFTER,
    ask_at,
    awaited_opening_moves,
    day_at_hand,
    is_searching,
    roll_subscriptions,
)
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import (
    active_positions,
    all_live_orders,
    governing,
    held_legs,
    positions_of,
    stirring_positions,
    view_of,
)
from rulebot.core.state.state import NEVER, NOTHING, Subscriptions
from rulebot.core.subscribe.universe_subscriptions import (
    UniverseSubscriptions,
    lines_of,
    member_aims,
    member_subscriptions,
)
from rulebot.decide.entry_window import is_spent
from rulebot.evaluate.watch import StrikeTarget, SubscriptionRequest, at_the_money_subscription, entry_aims, watch_list
from rulebot.measure.view import View
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.market import Board
from rulebot.model.order import Subscribe
from rulebot.model.session import Session, at_exchange_time
from rulebot.model.values import replace
from rulebot.record.record import Kind

Aims = Mapping[str, tuple[StrikeTarget | None, ...]]
"""Where the strikes of bots in reach lie, by the key of each of their expiries."""
WATCH_EVERY = timedelta(seconds=5)
SOON = timedelta(seconds=1)
"""How soon what is due, and was not done, is looked at again."""
WATCH_EARLY = timedelta(seconds=1)
"""So long before it is due the choice is made together with what quotes that come then lead to."""
WATCH_AHEAD = timedelta(minutes=5)
"""How long before its window a bot's contracts are streamed; a few choices find its strikes, and lines are scarce."""
WATCH_CLOSELY = timedelta(minutes=1)
"""From this long before a window the choice follows the market; results found until then hold until now."""
LEADS_ON = timedelta(seconds=30)
"""How long new quotes may lead to other strikes: quotes arrive within seconds, greeks later."""
MEMBERS_AHEAD = timedelta(minutes=10)
"""The same of a universe, whose symbols may have to take turns (`core/universe_subscriptions.py`)."""


def next_watch(work: StateBuilder, *, is_moving: bool) -> datetime:
    """Return when to check the subscriptions again, from shortly before the open to the close.

    To the second when a bot comes into reach and shortly before its window: its subscriptions depend on nothing
    earlier. In between every few seconds while only the market can change the choice. Once more after the close where
    positions net off: no report will settle them.
    """
    session = work.schedule.session
    if work.at >= session.close:
        settles = session.close + SETTLED_AFTER + SOON  # by then a backtest has reported the official level
        return settles if work.at < settles and _nets_off(work) else NEVER
    coming = session.close
    for bot in work.program.bots.values():
        for start, _ in bot.windows(session):
            for at in (start - _ahead_of(bot), start - WATCH_CLOSELY) if start > work.at else ():
                coming = at if work.at < at < coming else coming
    soonest = min(work.at + WATCH_EVERY, coming) if is_moving else coming
    return max(soonest, session.open - MEMBERS_AHEAD)


def _nets_off(work: StateBuilder) -> bool:
    """Say whether positions hold an option that expires today and that the account does not hold."""
    today = work.schedule.session.date
    held = (leg.option for leg in held_legs(work))
    return any(option.expiry == today and not work.account.holdings.get(option) for option in held)


def is_due(watch_at: datetime | None, at: datetime, *, moved: bool) -> bool:
    """Say whether what is streamed is to be chosen now, with or without a quote that has `moved`."""
    return watch_at is None or at >= watch_at or (moved and at >= watch_at - WATCH_EARLY)


def earlier_of(watch_at: datetime | None, at: datetime) -> datetime | None:
    """Return when to choose after something has changed at `at`: at once, unless `watch_at` is but seconds away."""
    is_far = watch_at is not None and watch_at != NEVER and watch_at - at > WATCH_EVERY
    return at if is_far else watch_at


def _is_moving(work: StateBuilder) -> bool:
    """Say whether the choice is updated every few seconds, as quotes arrive."""
    watch_at = work.schedule.watch_at
    return watch_at is not None and watch_at - work.at <= WATCH_EVERY


def update_subscriptions(work: StateBuilder) -> tuple[Subscriptions, datetime]:
    """Choose what to stream and request it when it differs; return the choice, and when to choose next.

    The choice depends on the bots' target strikes, positions and listings; while none changed, the last one holds. So
    do results for later windows. For a universe it also depends on the turn and the focus.
    """
    view = view_of(work)
    entering = _entering(work)
    reached = [bot for name, bot in work.program.bots.items() if _is_in_reach(work, bot, name in entering)]
    scanned = [bot for bot in reached if bot.members]
    plain = [each for bot in reached for each in _plain(work, bot)]
    exits = _exit_subscriptions(work, view)
    follows = bool(exits) or _is_followed(work, reached, entering) or _has_missed(work)
    if not follows and _has_found(work, plain):
        return work.subscriptions, next_watch(work, is_moving=False)
    aims = {each.key: entry_aims(each.plan, view) for each in plain} | member_aims(work, scanned, view)
    is_same = (
        aims == work.subscriptions.strike_targets and work.subscriptions.board_version == work.market.board.version
    )
    if is_same and not exits:
        is_moving = follows or _seeks(work, plain, aims, work.subscriptions.streamed_at)
        return work.subscriptions, next_watch(work, is_moving=is_moving)
    is_new = work.subscriptions.board_version < 0 or work.subscriptions.strike_targets is None
    known = UniverseSubscriptions(NOTHING if is_new else work.subscriptions.subscription_requests, work.market.facts)
    requests = [known.of(each.key, each.plan, aims[each.key]) for each in plain] + exits
    pinned = _pinned(work)
    if scanned:
        room = work.program.line_limit - lines_of(pinned, requests)
        requests += member_subscriptions(work, scanned, room, known, view)
    chosen = _stream(work, requests, pinned)
    is_moving = follows or _seeks(work, plain, aims, chosen.streamed_at)
    return replace(chosen, strike_targets=aims, subscription_requests=known.used), next_watch(work, is_moving=is_moving)


def keep_choice(work: StateBuilder, chosen: Subscriptions) -> None:
    """Keep what was chosen to be streamed earlier in this turn."""
    now = work.subscriptions
    work.subscriptions = replace(chosen, dependents=now.dependents, board_version=now.board_version)


def _plain(work: StateBuilder, bot: CompiledBot) -> tuple[CompiledBot, ...]:
    """Return the structures for which what is streamed is chosen one by one: of a universe that which is named."""
    if not bot.members:
        return bot.expiries()
    state = work.bots.by_name[bot.plan.name]
    taken = None if state.manual_entry_until is None or state.named is None else bot_of_named(bot, state.named)
    return () if taken is None else (taken,)


def _seeks(work: StateBuilder, plain: list[CompiledBot], aims: Aims, since: datetime | None) -> bool:
    """Say whether strikes are still looked for for bots in reach. since: when what is streamed was chosen."""
    return bool(aims) and (_leads_on(work, since) or _lacks_aims(plain, aims))


def _leads_on(work: StateBuilder, since: datetime | None) -> bool:
    """Say whether what is streamed was chosen so shortly ago that its quotes may still be to come."""
    return since is not None and work.at <= since + LEADS_ON


def _has_found(work: StateBuilder, plain: list[CompiledBot]) -> bool:
    """Say whether the requests of these bots in reach were found and led to nothing else.

    A check that comes late, as where quotes are minutes apart, does not count.
    """
    aims = work.subscriptions.strike_targets
    if (
        aims is None
        or work.subscriptions.board_version != work.market.board.version
        or _leads_on(work, work.subscriptions.streamed_at)
    ):
        return False
    return aims.keys() == {each.key for each in plain} and not _lacks_aims(plain, aims)


def _lacks_aims(plain: list[CompiledBot], aims: Aims) -> bool:
    return any(_is_unaimed(each.plan, aims[each.key]) for each in plain)


def _is_unaimed(plan: Plan, aims: Iterable[StrikeTarget | None]) -> bool:
    """Say whether the strike of an option that a plan trades or reads is still unknown."""
    legs = (*plan.legs, *plan.needs.beside)
    wanted = (aim for leg, aim in zip(legs, aims, strict=True) if not leg.is_shares)
    return any(aim is None or aim.centre is None for aim in wanted)


def _has_missed(work: StateBuilder) -> bool:
    """Say whether something waits for the subscription check: suspicions, or long expired options."""
    if work.account.shortfalls or work.account.uncovered or is_unreported(work.account):
        return True
    return any(option_has_expired(work, leg.option) for leg in held_legs(work))


def _pinned(work: StateBuilder) -> dict[Contract, None]:
    """Return what is always streamed: held and entering contracts, and the levels that are read.

    Exits read those of the spec under which a position was opened, which its bot may no longer read.
    """
    pinned: dict[Contract, None] = {}
    for state in work.bots.by_name.values():
        if state.manual_entry_until is not None and state.named is not None:
            pinned.update(dict.fromkeys(option for _, option in state.named.legs))
            pinned[Underlying(state.named.symbol)] = None
    for position in active_positions(work):
        pinned.update(dict.fromkeys(leg.option for leg in position.legs if leg.held or position.state == "entering"))
        pinned.update(dict.fromkeys(map(Underlying, {leg.option.symbol: None for leg in position.legs})))
    for bot in work.program.bots.values():
        own = bot.symbols if bot.members else ()
        pinned.update(dict.fromkeys([level for level in bot.levels if level.symbol not in own] if own else bot.levels))
    for position in active_positions(work):
        pinned.update(dict.fromkeys(governing(work, position).exit_levels))
    return pinned


def _stream(work: StateBuilder, requests: list[SubscriptionRequest], pinned: dict[Contract, None]) -> Subscriptions:
    """Return the new subscriptions, and whether a person was informed this session that lines are short."""
    limit, is_reported, since = (
        work.program.line_limit,
        work.subscriptions.is_shortage_reported,
        work.subscriptions.streamed_at,
    )
    wanted = watch_list(requests, pinned, work.subscriptions.streamed)
    if len(wanted) > limit:
        if lines_of(pinned, requests) > limit and not is_reported:  # what is only kept goes without a word
            text = f"more market data lines are wanted than the {limit} that may be used: the least important wait"
            work.record(Kind.ALARM, text=text)
            is_reported = True
        wanted = wanted[:limit]
    if wanted != work.subscriptions.streamed:
        work.commands.append(Subscribe(wanted))
        since = work.at
    return replace(work.subscriptions, streamed=wanted, streamed_at=since, is_shortage_reported=is_reported)


def _exit_subscriptions(work: StateBuilder, view: View) -> list[SubscriptionRequest]:
    """Return what exits read at the money, for every position that holds something."""
    found = []
    is_opening = work.at < work.schedule.session.open + OPENING_MINUTES
    for position in active_positions(work):
        bot = governing(work, position)
        symbols = bot.exit_chains | bot.exit_moves if is_opening else bot.exit_chains
        if symbols and not position.is_flat:
            held = [leg.option for leg in position.legs if leg.held]
            found.append(at_the_money_subscription(symbols, held, view))
        if bot.rolls and not position.is_flat:
            found += roll_subscriptions(work, position, view)
    return found


def _entering(work: StateBuilder) -> set[str]:
    """Return the bots with a working entry."""
    return {position.bot for position in active_positions(work) if position.state == "entering"}


def _is_in_reach(work: StateBuilder, bot: CompiledBot, is_entering: bool) -> bool:
    """Say whether the bot enters soon, or is entering."""
    session, at = work.schedule.session, work.at
    state = work.bots.by_name[bot.plan.name]
    if is_entering or state.manual_entry_until is not None:
        return True
    start, end = bot.window(session, at)
    if at < end and start - _ahead_of(bot) <= at and not _is_over(work, bot):
        return True
    return bool(bot.plan.needs.opening_move) and at < session.open + OPENING_MINUTES


def _is_followed(work: StateBuilder, reached: list[CompiledBot], entering: Collection[str]) -> bool:
    """Say whether what is streamed for a bot in reach follows the market: unless all but wait for a window to come."""
    if not reached:
        return False
    session = work.schedule.session
    is_opening = work.at < session.open + OPENING_MINUTES
    return any(
        work.at >= bot.window(session, work.at)[0] - WATCH_CLOSELY
        or bot.plan.name in entering
        or work.bots.by_name[bot.plan.name].manual_entry_until is not None
        or bot.members
        or (is_opening and bot.plan.needs.opening_move)
        for bot in reached
    )


def _ahead_of(bot: CompiledBot) -> timedelta:
    """Return how long before its window a bot's contracts are streamed."""
    return MEMBERS_AHEAD if bot.members else WATCH_AHEAD


def _is_over(work: StateBuilder, bot: CompiledBot) -> bool:
    """Say whether the window at hand can bring no entry any more."""
    day = day_at_hand(work, bot)
    if not bot.members:
        return is_spent(bot.plan.entry, day.of_member(bot.symbol))
    return all(is_spent(bot.plan.entry, day.of_member(symbol)) for symbol in bot.symbols)


def index_rows(work: StateBuilder) -> None:
    """Map board rows to the bots that they can change; a row with only the open's move maps to none."""
    board = work.market.board
    dependents: dict[int, list[str]] = {}
    entering, options = _entering(work), _option_rows(board)
    for name in work.bots.by_name:
        for row in _entry_rows(work, name, options, is_entering=name in entering) | _position_rows(work, name, options):
            dependents.setdefault(row, []).append(name)
    if symbols := awaited_opening_moves(work):
        for contract, row in board.rows.items():
            if contract.symbol in symbols:
                dependents.setdefault(row, [])
    found = {row: tuple(names) for row, names in dependents.items()}
    work.subscriptions = replace(work.subscriptions, dependents=found, board_version=board.version)


def _option_rows(board: Board) -> dict[str, set[int]]:
    """Return the rows of the options that are streamed, by symbol."""
    found: dict[str, set[int]] = {}
    for contract, row in board.rows.items():
        if isinstance(contract, Option):
            found.setdefault(contract.symbol, set()).add(row)
    return found


def may_enter(work: StateBuilder, name: str) -> bool:
    """Say whether the bot's window is on, or opens within a second, and can still bring an entry."""
    bot, state = work.program.bots.get(name), work.bots.by_name[name]
    if bot is None:
        return False
    start, end = bot.window(work.schedule.session, work.at)
    is_on = start - SOON <= work.at < end and not _is_over(work, bot)
    return is_on or state.manual_entry_until is not None


def _entry_rows(work: StateBuilder, name: str, options: Mapping[str, set[int]], *, is_entering: bool) -> set[int]:
    """Return the rows that its halts and entry conditions read now; none after its day without a working entry.

    options: the rows of all options, by symbol.
    """
    bot = work.program.bots.get(name)
    if bot is None:
        return set()
    session = work.schedule.session
    start, end = bot.window(session, work.at)
    asked = work.bots.by_name[name].manual_entry_until
    if asked is not None:
        start, end = work.at, asked + WATCH_EVERY
    may_come = work.at < end and (asked is not None or not _is_over(work, bot))
    may_halt = bool(bot.halts) and (may_come or is_entering)  # a halt cancels working entries
    rows = work.market.board.rows
    found: set[int] = set()
    if may_halt or (may_come and work.at >= start):
        found.update(rows.get(contract, -1) for contract in bot.levels)
    if may_come and start - SOON <= work.at:
        symbols = {leg.symbol for each in bot.structures() for leg in each.plan.legs}
        found.update(*(options.get(symbol, ()) for symbol in symbols))
    found.discard(-1)
    return found


def _position_rows(work: StateBuilder, name: str, options: Mapping[str, set[int]]) -> set[int]:
    """Return the rows its exits read now: none for positions whose exits all rest at the broker."""
    rows = work.market.board.rows
    found: set[int] = set()
    for position in positions_of(work, name):
        bot = governing(work, position)
        if position.is_flat or (
            _only_rests(bot) and resting_orders(work, position.id) and not position.resting_orders_withdrawn
        ):
            continue
        found.update(rows.get(leg.option, -1) for leg in position.legs if leg.held)
        found.update(rows.get(contract, -1) for contract in bot.exit_levels)
        if any(is_searching(work, position, planned) for planned in bot.plan.exits if planned.roll is not None):
            symbols = {leg.option.symbol for leg in position.legs}
            found.update(*(options.get(symbol, ()) for symbol in symbols))
    found.discard(-1)
    return found


def _only_rests(bot: CompiledBot) -> bool:
    """Say whether every exit that reads the market rests at the broker."""
    return all(planned.resting or planned.rule is None for planned in bot.plan.exits)


def next_step(work: StateBuilder) -> datetime:
    """Return the next time at which an order, a position or a bot is due without a market move.

    After a change of positions that is soon: no clock announces what the change allows.
    """
    at = work.at
    found = min(_next_clock(work.schedule.session, at), min(work.bots.next_wakes.values(), default=NEVER))
    if work.subscriptions.board_version != work.market.board.version and _is_moving(work):
        found = min(found, at + WATCH_EVERY)
    if (suspect := suspicions_due(work)) is not None and suspect > at:
        found = min(found, suspect)
    due = [ask_at(work)]
    if work.orders.live:
        due += [order.attempt_until for order in all_live_orders(work)]
    if stirring := stirring_positions(work):
        due += [position.retry_at for position in stirring]
    for each in due:
        if each is not None and each < found:
            found = min(found, max(each, at + SOON))
    return found


def _next_clock(session: Session, at: datetime) -> datetime:
    """Return when the session opens, when it closes, or when the next date begins: other times apply then."""
    if at < session.open:
        return session.open
    if at < session.close:
        return session.close
    next_day = at_exchange_time(session.date + timedelta(days=1), time(0))
    return next_day if at < next_day else NEVER
