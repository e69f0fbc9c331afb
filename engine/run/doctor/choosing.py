"""What each structure would be made of now: the market is streamed as for a bot, its legs are chosen, and let be.

The levels of all bots come first; then structures take turns on the market data lines, as many at once as fit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from engine.evaluate.evaluation import Verdict
from engine.evaluate.select import Selection, select
from engine.evaluate.snapshot import View
from engine.evaluate.watch import Wish, entry_aims, entry_wish, watch_list
from engine.model.contract import Contract
from engine.model.errors import BrokerError
from engine.order.price import NetQuote
from engine.run.desk import Desk
from engine.run.doctor.finding import Finding, Group, fault
from engine.run.doctor.streams import Seen, Stream, seen_on
from engine.run.doctor.visit import Visit
from engine.run.prepare import prepare
from engine.turn.choosing import how_many, opening_commission, price_legs, show_candidate
from engine.turn.offering import at_the_money
from engine.turn.program import CompiledBot, CompiledRule

PATIENCE = 10
"""Seconds that a line, or what a rule reads, may take to come while the exchange trades."""
CLOSED_PATIENCE = 3
"""The same while it is closed: what the broker has then comes at once."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule says of the market, or of the structure that was chosen."""

    rule: CompiledRule
    verdict: Verdict


@dataclass(slots=True)
class Candidate:
    """One structure of a bot, and what was found for it so far.

    waited: seconds that its lines have streamed. refused: why no count of it fits. when: what must hold for an entry,
    of the bot, of its universe and of this alternative; halts: what must not.
    """

    bot: CompiledBot
    whole: CompiledBot
    waited: int = 0
    selection: Selection | None = None
    quote: NetQuote | None = None
    refused: str = ""
    when: tuple[Judged, ...] = ()
    halts: tuple[Judged, ...] = ()
    require: tuple[Judged, ...] = ()

    @property
    def unknown(self) -> list[Judged]:
        """The rules that cannot be judged."""
        return [each for each in (*self.halts, *self.when, *self.require) if each.verdict.truth is None]

    @property
    def is_known(self) -> bool:
        """True when nothing more has to come."""
        if self.selection is None or self.selection.missing or self.unknown:
            return False
        return self.quote is None or not self.quote.missing


@dataclass(slots=True)
class Looked:
    """All that was looked at: structures in the order of the specs, and what each line brought."""

    candidates: list[Candidate] = field(default_factory=list)
    seen: dict[Contract, Seen] = field(default_factory=dict)


async def facts_of(visit: Visit, desk: Desk) -> list[Finding]:
    """Ask for the slow facts of each bot, as a run does before a session; return what could not be had."""
    found = []
    for name, bot in desk.bots.items():
        alone = replace(visit.program, bots={name: bot})
        try:
            async for event in prepare(alone, visit.feed, visit.session, visit.at, visit.state.facts):
                visit.learn([event])
        except BrokerError as error:
            found.append(fault(Group.DATA, f"facts of {name}", error.message, error.help or ""))
    return found


async def look(visit: Visit, desk: Desk, *, chooses: bool) -> Looked:
    """Stream what the bots read, and with `chooses` choose the legs of each structure. Raises: BrokerError."""
    looked = Looked()
    await _levels(visit, desk, looked)
    if not chooses:
        return looked
    pending = [Candidate(each, bot) for bot in desk.bots.values() for each in bot.structures()]
    looked.candidates = list(pending)
    while pending:
        active = _next_on(visit, pending)
        await visit.pass_time()
        _note(visit, looked)
        for candidate in active:
            judge(visit, candidate)
            candidate.waited += 1
            if candidate.is_known or candidate.waited >= _patience(visit):
                pending.remove(candidate)
    visit.watch(())
    return looked


async def _levels(visit: Visit, desk: Desk, looked: Looked) -> None:
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


def _patience(visit: Visit) -> int:
    return PATIENCE if visit.is_in_hours else CLOSED_PATIENCE


def _note(visit: Visit, looked: Looked) -> None:
    """Keep what every line has brought; one that was live once was, also when it is given up and taken again."""
    for contract in visit.state.streamed:
        found = seen_on(visit.feed, contract)
        known = looked.seen.get(contract)
        if found.stream is not Stream.SILENT or known is None:
            looked.seen[contract] = found


def _next_on(visit: Visit, pending: list[Candidate]) -> list[Candidate]:
    """Stream for as many structures as fit, the first in any case; return them."""
    active: list[Candidate] = []
    pinned: dict[Contract, None] = {}
    wishes: list[Wish] = []
    for candidate in pending:
        wish = _wish(visit, candidate.bot)
        lines = {*pinned, *candidate.bot.levels, *(each for known in (*wishes, wish) for each in known.need)}
        if active and len(lines) > visit.line_limit:
            break
        pinned.update(dict.fromkeys(candidate.bot.levels))
        wishes.append(wish)
        active.append(candidate)
    visit.watch(watch_list(wishes, pinned, visit.state.streamed)[: visit.line_limit])
    return active


def _wish(visit: Visit, bot: CompiledBot) -> Wish:
    view = visit.view()
    return entry_wish(bot.plan, entry_aims(bot.plan, view), visit.state.facts)


def judge(visit: Visit, candidate: Candidate) -> None:
    """Choose the legs that a structure would have now, and judge its conditions; nothing is kept but the answer."""
    bot, view = candidate.bot, visit.view()
    candidate.halts = _judged(bot.halts, view)
    candidate.when = (*_judged(_conditions(candidate), view), *_offered(candidate, view))
    candidate.selection = selection = select(bot.plan.legs, bot.plan.expiry, view, bot.expected_move)
    candidate.quote, candidate.refused, candidate.require = None, "", ()
    if selection.is_complete:
        _judge_structure(visit, candidate, view, selection)


def _judge_structure(visit: Visit, candidate: Candidate, view: View, selection: Selection) -> None:
    bot = candidate.bot
    candidate.quote = quote = price_legs(selection, view)
    show_candidate(view, bot.plan, selection, quote)
    fits = how_many(visit.work(), bot, view, selection, quote)
    candidate.refused = "" if fits.count else fits.missing or fits.refused
    view.quantity = fits.count
    view.commission = float(opening_commission(selection, view, fits.count))
    candidate.require = _judged(bot.require, view)


def _judged(rules: Iterable[CompiledRule], view: View) -> tuple[Judged, ...]:
    return tuple(Judged(rule, rule.judge(view)) for rule in rules)


def _offered(candidate: Candidate, view: View) -> tuple[Judged, ...]:
    """Judge what a universe requires of this symbol, on its options at the money."""
    member = next((each for each in candidate.whole.members if each.symbol == candidate.bot.symbol), None)
    if member is None:
        return ()
    view.legs = at_the_money(member.bot, view)
    found = _judged(member.require, view)
    view.legs = ()
    return found


def _conditions(candidate: Candidate) -> Iterator[CompiledRule]:
    """Yield the entry conditions of a bot, and what asks for this alternative where it has several."""
    bot = candidate.whole.on(candidate.bot.symbol)
    yield from bot.when
    yield from (rule for choice in bot.choices if choice.name == candidate.bot.alternative for rule in choice.when)
