"""What each structure would be made of now: the market is streamed as for a bot, its legs are chosen, and let be.

The levels of all bots come first; then structures take turns on the market data lines, as many at once as fit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from rulebot.backtest.load_session_data import prepare
from rulebot.documents.load_bots import LoadedBots
from rulebot.evaluate.listings import BAND
from rulebot.evaluate.snapshot import View
from rulebot.evaluate.watch import entry_aims, entry_wish, watch_list
from rulebot.model.contract import Contract
from rulebot.model.errors import BrokerError
from rulebot.preview.candidate import Candidate, judge
from rulebot.preview.read_only_session import ReadOnlySession
from rulebot.preview.subscriptions import PreviewData, Stream, seen_on

PATIENCE = 10
"""Seconds that a line, or what a rule reads, may take to come while the exchange trades."""
CLOSED_PATIENCE = 3
"""The same while it is closed: what the broker has then comes at once."""
MOST_PASSES = 60
LINES_OF_A_LEG, AT_THE_MONEY = 2 * BAND + 3, 4
"""Market data lines kept free for a leg, preferred strikes included, and for what is read at the money."""


Also = Callable[[Candidate, View], bool]


def _nothing_more(candidate: Candidate, view: View) -> bool:
    return True


@dataclass(slots=True)
class Looked:
    """All that was looked at: structures in the order of the specs, and what each line brought.

    turns: how often lines went to structures that had waited for them, the first time included.
    """

    candidates: list[Candidate] = field(default_factory=list)
    turns: int = 0
    seen: dict[Contract, PreviewData] = field(default_factory=dict)


async def facts_of(visit: ReadOnlySession, desk: LoadedBots) -> dict[str, BrokerError]:
    """Ask for the slow facts of each bot, as a run does before a session; return what could not be had, and by whom.

    A universe asks symbol by symbol: one that the broker does not know spoils none of the others.
    """
    found = {}
    for part in (each for bot in desk.bots.values() for each in ([one.bot for one in bot.members] or [bot])):
        alone = replace(visit.program, bots={part.key: part})
        await visit.keep_pace()
        try:
            async for event in prepare(alone, visit.feed, visit.session, visit.at, visit.state.facts):
                visit.learn([event])
        except BrokerError as error:
            found[part.key] = error
    return found


async def look(visit: ReadOnlySession, desk: LoadedBots, *, chooses: bool, also: Also = _nothing_more) -> Looked:
    """Stream what the bots read, and with `chooses` choose the legs of each structure. Raises: BrokerError.

    also: reads more of each structure whenever it was judged, and says whether it knows all.
    """
    looked = Looked()
    await _levels(visit, desk, looked)
    if not chooses:
        return looked
    waiting = [Candidate(each, bot) for bot in desk.bots.values() for each in bot.structures()]
    looked.candidates = list(waiting)
    active: list[Candidate] = []
    while waiting or active:
        is_new = False
        while waiting and (not active or _room(active) + _room(waiting[:1]) <= visit.line_limit):
            active.append(waiting.pop(0))
            is_new = True
        looked.turns += is_new
        _stream(visit, active)
        await visit.pass_time()
        _note(visit, looked)
        active = [candidate for candidate in active if _goes_on(visit, candidate, also)]
    visit.watch(())
    return looked


def _goes_on(visit: ReadOnlySession, candidate: Candidate, also: Also) -> bool:
    """Judge a structure; say whether it is to be streamed on. Far strikes are found step by step: that takes longer."""
    is_known = also(candidate, judge(visit, candidate)) and candidate.is_known
    candidate.passes += 1
    aims = entry_aims(candidate.bot.plan, visit.view())
    is_nearer = candidate.selection is not None and bool(candidate.selection.missing) and aims != candidate.aims
    candidate.waited = 0 if is_nearer else candidate.waited + 1
    candidate.aims = aims
    return not is_known and candidate.waited < _patience(visit) and candidate.passes < MOST_PASSES


async def _levels(visit: ReadOnlySession, desk: LoadedBots, looked: Looked) -> None:
    levels = dict.fromkeys(
        level for bot in desk.bots.values() for each in (bot, *bot.structures()) for level in each.levels
    )
    waiting = list(levels)
    while waiting:
        part, waiting = waiting[: visit.line_limit], waiting[visit.line_limit :]
        visit.watch(part)
        for _ in range(_patience(visit)):
            await visit.pass_time()
            _note(visit, looked)
            if all(looked.seen[each].stream is not Stream.SILENT for each in part):
                break


def _patience(visit: ReadOnlySession) -> int:
    return PATIENCE if visit.is_in_hours else CLOSED_PATIENCE


def _note(visit: ReadOnlySession, looked: Looked) -> None:
    """Keep what every line has brought; one that was live once was, also when it is given up and taken again."""
    for contract in visit.state.streamed:
        found = seen_on(visit.feed, contract)
        known = looked.seen.get(contract)
        if found.stream is not Stream.SILENT or known is None:
            looked.seen[contract] = found


def _room(candidates: Iterable[Candidate]) -> int:
    """Return how many lines these structures may take: their wishes grow until quotes tell where their strikes lie."""
    lines = 0
    for candidate in candidates:
        if candidate.is_found:
            lines += candidate.lines + BAND
            continue
        plan = candidate.bot.plan
        legs = [leg for leg in (*plan.legs, *plan.needs.beside) if not leg.is_shares]
        lines += len(candidate.bot.levels) + LINES_OF_A_LEG * len(legs) + AT_THE_MONEY
    return lines


def _stream(visit: ReadOnlySession, active: Iterable[Candidate]) -> None:
    view, facts = visit.view(), visit.state.facts
    wishes = []
    for candidate in active:
        plan = candidate.bot.plan
        wish = entry_wish(plan, entry_aims(plan, view), facts)
        candidate.lines = max(candidate.lines, len({*wish.need, *candidate.bot.levels}))
        wishes.append(wish)
    levels = dict.fromkeys(level for candidate in active for level in candidate.bot.levels)
    visit.watch(watch_list(wishes, levels, visit.state.streamed))
