"""Which symbols of a universe have market data lines: all at the money, and the strikes of those in focus, as they fit.

Where there are more symbols than lines each has its turn of `TURN`; one that has none is unknown meanwhile, and so is
passed over. Positions, levels and the bots on one underlying come first.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from engine.evaluate.snapshot import View
from engine.evaluate.watch import Aim, Wish, entry_aims, entry_wish, money_aims
from engine.model.contract import Contract, Underlying
from engine.turn.program import CompiledBot
from engine.turn.work import Work

TURN = timedelta(seconds=30)
"""How long a symbol keeps its lines when others wait for theirs: quotes and greeks must come, and be judged."""
FOR_STRIKES = 24
"""Lines kept free for the strikes of symbols whose conditions hold, when not all symbols have their turn at once."""


def aims_of(work: Work, bot: CompiledBot, view: View) -> tuple[Aim | None, ...]:
    """Return where a structure's strikes lie; of a symbol out of focus only at the money."""
    if not bot.symbol or bot.symbol in work.bots[bot.plan.name].focus:
        return entry_aims(bot.plan, view)
    return money_aims(bot.plan, view)


def lines_of(pinned: Iterable[Contract], wishes: Iterable[Wish]) -> int:
    """Return how many lines these take at least."""
    return len({*pinned, *(contract for wish in wishes for contract in wish.need)})


def has_members(work: Work) -> bool:
    """Say whether any bot has a universe: then what is streamed may change with time alone."""
    return any(bot.members for bot in work.program.bots.values())


def member_wishes(work: Work, bots: Iterable[CompiledBot], room: int) -> list[Wish]:
    """Return what these bots with a universe want and `room` lines allow."""
    view, found = work.view(), list[Wish]()
    for bot in bots:
        money = [_wish(work, member.bot, view, strikes=False) for member in bot.members]
        spare = min(FOR_STRIKES, room // 3) if lines_of((), money) > room - FOR_STRIKES else 0
        found += _fitting(work, money, room - spare - lines_of((), found))
        for symbols in _focus(work, bot):
            strikes = [_wish(work, bot.on(symbol), view, strikes=True) for symbol in symbols]
            found += _fitting(work, strikes, room, found)
    return found


def _focus(work: Work, bot: CompiledBot) -> Iterator[list[str]]:
    """Yield the symbols whose strikes are wanted: those taken, then the others that were, in their turn."""
    state = work.bots[bot.plan.name]
    taken = [symbol for symbol in state.ranks[0] if symbol in bot.symbols]
    yield taken
    yield [symbol for symbol in state.focus if symbol in bot.symbols and symbol not in taken]


def _wish(work: Work, bot: CompiledBot, view: View, *, strikes: bool) -> Wish:
    need: dict[Contract, None] = {Underlying(bot.symbol): None}
    keep: set[Contract] = set()
    for each in bot.expiries():
        aims = entry_aims(each.plan, view) if strikes else money_aims(each.plan, view)
        wish = entry_wish(each.plan, aims, work.state.facts)
        need.update(dict.fromkeys(wish.need))
        keep |= wish.keep
    return Wish(tuple(need), frozenset(keep) if strikes else frozenset())


def _fitting(work: Work, wishes: list[Wish], room: int, before: Iterable[Wish] = ()) -> list[Wish]:
    """Return those that fit beside what stands before; where not all do, another part of them each turn."""
    stands = list(before)
    total = lines_of((), [*stands, *wishes])
    if total <= room or not wishes:
        return wishes
    share = max(len(wishes) * max(room - lines_of((), stands), 0) // max(total - lines_of((), stands), 1), 1)
    first = int(work.now // TURN.total_seconds()) * share % len(wishes)
    found: list[Wish] = []
    for wish in [*wishes[first:], *wishes[:first]]:
        if lines_of((), [*stands, *found, wish]) <= room:
            found.append(wish)
    return found
