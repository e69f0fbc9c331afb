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
from rulebot.evaluate.watch import StrikeTarget, SubscriptionRequest, at_money, entry_aims, entry_wish, money_aims
from rulebot.measure.view import View
from rulebot.model.contract import Contract, Underlying
from rulebot.model.facts import Facts

Wished = tuple[str, tuple[StrikeTarget | None, ...]]
"""A structure by its key, and where its strikes lie."""
TURN = timedelta(seconds=60)
"""How long a symbol keeps its lines when others wait for theirs: quotes and greeks must come, and be judged."""
FOR_STRIKES = 24
"""Lines kept free for the strikes of symbols whose conditions hold, when not all symbols have their turn at once."""


class UniverseSubscriptions:
    """What structures want to be streamed; it is made anew only where their strikes do not lie as they did."""

    def __init__(self, known: Mapping[Wished, SubscriptionRequest], facts: Facts) -> None:
        self._known = known
        self._facts = facts
        self.used: dict[Wished, SubscriptionRequest] = {}

    def of(self, key: str, plan: Plan, aims: tuple[StrikeTarget | None, ...]) -> SubscriptionRequest:
        """Return what the structure of this key wants."""
        wished = key, aims
        found = self.used.get(wished) or self._known.get(wished) or entry_wish(plan, aims, self._facts)
        self.used[wished] = found
        return found

    def together(
        self, bot: CompiledBot, aimed: list[tuple[CompiledBot, tuple[StrikeTarget | None, ...]]], keeps: bool
    ) -> SubscriptionRequest:
        """Return what a symbol's structures want, its underlying before them; unless it `keeps` nothing is kept."""
        wished = f"{bot.key} with all{'' if keeps else ', now'}", tuple(aim for _, aims in aimed for aim in aims)
        found = self.used.get(wished) or self._known.get(wished)
        if found is None:
            need: dict[Contract, None] = {Underlying(bot.symbol): None}
            keep: set[Contract] = set()
            for each, aims in aimed:
                wish = self.of(each.key, each.plan, aims)
                need.update(dict.fromkeys(wish.need))
                keep |= wish.keep
            found = SubscriptionRequest(tuple(need), frozenset(keep) if keeps else frozenset())
        self.used[wished] = found
        return found


def lines_of(pinned: Iterable[Contract], wishes: Iterable[SubscriptionRequest]) -> int:
    """Return how many lines these take at least."""
    return len({*pinned, *(contract for wish in wishes for contract in wish.need)})


def member_aims(
    work: StateBuilder, bots: Iterable[CompiledBot], view: View
) -> dict[str, tuple[StrikeTarget | None, ...]]:
    """Return all that `member_wishes` depends on beside what stands before them, by bot.

    That is where the money lies of each symbol, and where the strikes of those in focus; who they are, whose turn it
    is and how many lines there are stand in the key.
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
    """Return all that a symbol's wish at the money depends on."""
    if member.money:
        return at_money(member.money, view)
    return tuple(aim for each in member.bot.expiries() for aim in money_aims(each.plan, view))


def _turn(work: StateBuilder) -> int:
    """Return which turn is on of symbols that do not all have lines at once."""
    return int(work.now // TURN.total_seconds())


def member_wishes(
    work: StateBuilder, bots: Iterable[CompiledBot], room: int, wishes: UniverseSubscriptions, view: View
) -> list[SubscriptionRequest]:
    """Return what these bots with a universe want and `room` lines allow."""
    found = list[SubscriptionRequest]()
    for bot in bots:
        money = [_wish(member.bot, view, wishes, strikes=False) for member in bot.members]
        spare = min(FOR_STRIKES, room // 3) if lines_of((), money) > room - FOR_STRIKES else 0
        found += _fitting(work, bot, money, room - spare - lines_of((), found))
        for symbols in _focus(work, bot):
            strikes = [_wish(bot.on(symbol), view, wishes, strikes=True) for symbol in symbols]
            found += _fitting(work, bot, strikes, room, found)
    return found


def _focus(work: StateBuilder, bot: CompiledBot) -> Iterator[list[str]]:
    """Yield the symbols whose strikes are wanted: those taken, then the others that were, in their turn."""
    state = work.bots.by_name[bot.plan.name]
    taken = [symbol for symbol in state.last_ranking[0] if symbol in bot.symbols]
    yield taken
    yield [symbol for symbol in state.subscribed_symbols if symbol in bot.symbols and symbol not in taken]


def _wish(bot: CompiledBot, view: View, wishes: UniverseSubscriptions, *, strikes: bool) -> SubscriptionRequest:
    aims = entry_aims if strikes else money_aims
    return wishes.together(bot, [(each, aims(each.plan, view)) for each in bot.expiries()], strikes)


def _fitting(
    work: StateBuilder,
    bot: CompiledBot,
    wishes: list[SubscriptionRequest],
    room: int,
    before: Iterable[SubscriptionRequest] = (),
) -> list[SubscriptionRequest]:
    """Return those that fit beside what stands before; where not all do, another part of them each turn.

    In time each is the first of a turn, so that one which needs more lines than the others is left out of no round.
    One that would not fit into all lines that there are never has a turn, and a person is told.
    """
    taken = {contract for wish in before for contract in wish.need}
    stands, total = len(taken), len(taken.union(*(wish.need for wish in wishes)))
    if total <= room or not wishes:
        return wishes
    for wish in wishes:
        if len(set(wish.need)) > work.program.line_limit:
            alarm(
                work,
                bot.plan.name,
                f"{wish.need[0].symbol} needs more market data lines than are left: it is passed over",
            )
    share = max(len(wishes) * max(room - stands, 0) // max(total - stands, 1), 1)
    turn, alike = _turn(work), gcd(share, len(wishes))
    rounds = turn * alike // len(wishes)
    first = (turn * share + rounds % alike) % len(wishes)
    found: list[SubscriptionRequest] = []
    for wish in [*wishes[first:], *wishes[:first]]:
        more = taken.union(wish.need)
        if len(more) <= room:
            found.append(wish)
            taken = more
    return found
