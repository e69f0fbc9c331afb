"""Which symbols of a universe have market data lines: all at the money, and the strikes of those in focus, as they fit.

Where there are more symbols than lines each has its turn of `TURN`; one that has none is unknown meanwhile, and so is
passed over. Positions, levels and the bots on one underlying come first.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import chain
from math import gcd

from rulebot.compile.plan import Plan
from rulebot.core.program import CompiledBot, CompiledMember
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.turn import alarm
from rulebot.evaluate.watch import (
    StrikeTarget,
    SubscriptionRequest,
    at_money,
    entry_aims,
    entry_subscription,
    money_aims,
)
from rulebot.measure.view import View
from rulebot.model.contract import Contract, Underlying
from rulebot.model.facts import Facts

Requested = tuple[str, tuple[StrikeTarget | None, ...]]
"""A structure by its key, and where its strikes lie."""
TURN = timedelta(seconds=60)
"""How long a symbol keeps its lines when others wait for theirs: quotes and greeks must come, and be judged."""
FOR_STRIKES = 24
"""Lines kept free for the strikes of symbols whose conditions hold, when not all symbols have their turn at once."""


class UniverseSubscriptions:
    """What structures request to be streamed; rebuilt only when their strikes change."""

    def __init__(self, known: Mapping[Requested, SubscriptionRequest], facts: Facts) -> None:
        self._known = known
        self._facts = facts
        self.used: dict[Requested, SubscriptionRequest] = {}

    def of(self, key: str, plan: Plan, aims: tuple[StrikeTarget | None, ...]) -> SubscriptionRequest:
        """Return the requests of the structure with this key."""
        requested = key, aims
        found = self.used.get(requested) or self._known.get(requested) or entry_subscription(plan, aims, self._facts)
        self.used[requested] = found
        return found

    def together(
        self, bot: CompiledBot, aimed: list[tuple[CompiledBot, tuple[StrikeTarget | None, ...]]], keeps: bool
    ) -> SubscriptionRequest:
        """Return the requests of a symbol's structures, after its underlying; without `keeps` nothing is cached."""
        requested = f"{bot.key} with all{'' if keeps else ', now'}", tuple(aim for _, aims in aimed for aim in aims)
        found = self.used.get(requested) or self._known.get(requested)
        if found is None:
            need: dict[Contract, None] = {Underlying(bot.symbol): None}
            keep: set[Contract] = set()
            for each, aims in aimed:
                request = self.of(each.key, each.plan, aims)
                need.update(dict.fromkeys(request.need))
                keep |= request.keep
            found = SubscriptionRequest(tuple(need), frozenset(keep) if keeps else frozenset())
        self.used[requested] = found
        return found


def lines_of(pinned: Iterable[Contract], requests: Iterable[SubscriptionRequest]) -> int:
    """Return how many lines these take at least."""
    return len({*pinned, *(contract for request in requests for contract in request.need)})


def member_aims(
    work: StateBuilder, bots: Iterable[CompiledBot], view: View
) -> dict[str, tuple[StrikeTarget | None, ...]]:
    """Return everything that `member_subscriptions` depends on besides the key, by bot.

    That is each symbol's at-the-money strike and the strikes of those in focus; the key has the focus, the turn and the
    number of lines.
    """
    found: dict[str, tuple[StrikeTarget | None, ...]] = {}
    when = f"turn {_turn(work)} of {work.program.line_limit} lines"
    for bot in bots:
        taken, others = _focus(work, bot)
        money = (_money(member, view) for member in bot.members)
        strikes = (entry_aims(each.plan, view) for symbol in (*taken, *others) for each in bot.on(symbol).expiries())
        key = f"{bot.plan.name}, {when}: {', '.join(taken)}; {', '.join(others)}"
        found[key] = tuple(chain.from_iterable((*money, *strikes)))
    return found


def _money(member: CompiledMember, view: View) -> tuple[StrikeTarget | None, ...]:
    """Return everything that a symbol's at-the-money request depends on."""
    if member.money:
        return at_money(member.money, view)
    return tuple(aim for each in member.bot.expiries() for aim in money_aims(each.plan, view))


def _turn(work: StateBuilder) -> int:
    """Return which turn is on of symbols that do not all have lines at once."""
    return int(work.now // TURN.total_seconds())


def member_subscriptions(
    work: StateBuilder, bots: Iterable[CompiledBot], room: int, requests: UniverseSubscriptions, view: View
) -> list[SubscriptionRequest]:
    """Return the requests of these bots with a universe that fit into `room` lines."""
    found = list[SubscriptionRequest]()
    for bot in bots:
        money = [_request(member.bot, view, requests, strikes=False) for member in bot.members]
        spare = min(FOR_STRIKES, room // 3) if lines_of((), money) > room - FOR_STRIKES else 0
        found += _fitting(work, bot, money, room - spare - lines_of((), found))
        for symbols in _focus(work, bot):
            strikes = [_request(bot.on(symbol), view, requests, strikes=True) for symbol in symbols]
            found += _fitting(work, bot, strikes, room, found)
    return found


def _focus(work: StateBuilder, bot: CompiledBot) -> Iterator[list[str]]:
    """Yield the symbols whose strikes are wanted: those taken, then the others that were, in their turn."""
    state = work.bots.by_name[bot.plan.name]
    taken = [symbol for symbol in state.last_ranking[0] if symbol in bot.symbols]
    yield taken
    yield [symbol for symbol in state.subscribed_symbols if symbol in bot.symbols and symbol not in taken]


def _request(bot: CompiledBot, view: View, requests: UniverseSubscriptions, *, strikes: bool) -> SubscriptionRequest:
    aims = entry_aims if strikes else money_aims
    return requests.together(bot, [(each, aims(each.plan, view)) for each in bot.expiries()], strikes)


def _fitting(
    work: StateBuilder,
    bot: CompiledBot,
    requests: list[SubscriptionRequest],
    room: int,
    before: Iterable[SubscriptionRequest] = (),
) -> list[SubscriptionRequest]:
    """Return the requests that fit beside the others; if not all do, another part of them each turn.

    Over time each comes first once, so one that needs more lines is not left out for ever. One that exceeds all lines
    never has a turn, and a person is alarmed.
    """
    taken = {contract for request in before for contract in request.need}
    stands, total = len(taken), len(taken.union(*(request.need for request in requests)))
    if total <= room or not requests:
        return requests
    for request in requests:
        if len(set(request.need)) > work.program.line_limit:
            alarm(
                work,
                bot.plan.name,
                f"{request.need[0].symbol} needs more market data lines than remain: it is skipped",
            )
    share = max(len(requests) * max(room - stands, 0) // max(total - stands, 1), 1)
    turn, alike = _turn(work), gcd(share, len(requests))
    rounds = turn * alike // len(requests)
    first = (turn * share + rounds % alike) % len(requests)
    found: list[SubscriptionRequest] = []
    for request in [*requests[first:], *requests[:first]]:
        more = taken.union(request.need)
        if len(more) <= room:
            found.append(request)
            taken = more
    return found
