"""One structure of a bot as it would be now: its legs, what they bring, and what its rules say of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.evaluate.evaluation import Verdict
from engine.evaluate.select import Selection, select
from engine.evaluate.snapshot import View
from engine.evaluate.watch import Aim
from engine.order.price import NetQuote
from engine.run.looking.visit import Visit
from engine.turn.choosing import how_many, opening_commission, price_legs, show_candidate
from engine.turn.offering import at_the_money
from engine.turn.program import CompiledBot, CompiledRule


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule says of the market, or of the structure that was chosen."""

    rule: CompiledRule
    verdict: Verdict


@dataclass(slots=True)
class Candidate:
    """One structure of a bot, and what was found for it so far.

    passes: seconds that its lines have streamed; waited: those since its strikes were last looked for elsewhere, which
    `aims` tell. refused: why no count of it fits. when: what must hold for an entry, of the bot, of its universe and of
    this alternative; halts: what must not.
    """

    bot: CompiledBot
    whole: CompiledBot
    passes: int = 0
    waited: int = 0
    aims: tuple[Aim | None, ...] = ()
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
