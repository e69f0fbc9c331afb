"""One structure of a bot as it would be now: its legs, what they bring, and what its rules say of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from rulebot.core.legged_entry import legging_problem
from rulebot.core.named_structure import named_selection
from rulebot.core.program import CompiledBot, CompiledRule
from rulebot.core.protective_stops import hit_at_once
from rulebot.core.rule_evaluation import first_missing
from rulebot.core.state import Named
from rulebot.core.state_builder import StateBuilder
from rulebot.core.structure_selection import how_many, opening_commission, price_legs, show_candidate
from rulebot.core.universe_requirements import show_pair
from rulebot.evaluate.evaluation import Verdict
from rulebot.evaluate.select import StructureSelection, select
from rulebot.evaluate.snapshot import View
from rulebot.evaluate.watch import StrikeTarget
from rulebot.evaluate.wording import describe
from rulebot.narrate.text_table import one_line
from rulebot.order.ladder import limited_at
from rulebot.order.price import NetQuote


class MarketPreview(Protocol):
    """The market as it is seen at one instant: on a visit, by a running engine, or in a file of delayed quotes."""

    def view(self) -> View:
        """Return what rules see."""
        ...

    def work(self) -> StateBuilder:
        """Return what the functions of a turn read; nothing of it is kept."""
        ...


@dataclass(frozen=True, slots=True)
class JudgedCandidate:
    """What a rule says of the market, or of the structure that was chosen."""

    rule: CompiledRule
    verdict: Verdict

    @property
    def words(self) -> str:
        """What was measured and held against what, or what is missing: `vix 23.10, below 22: 1.10 too much`."""
        said = first_missing(self.verdict) or describe(self.rule.rule, self.verdict)
        return one_line(f"{self.rule.rule.name} {said}")

    @property
    def may_come(self) -> bool:
        """True when what it reads streams. A calendar is there or is not, and no web hook comes to who only looks."""
        return not self.rule.rule.reads <= {"facts", "time", "hooks"}


@dataclass(slots=True)
class Candidate:
    """One structure of a bot, and what was found for it so far.

    passes: seconds that its lines have streamed; waited: those since its strikes were last looked for elsewhere, which
    `aims` tell. lines: market data lines that it needs. refused: why no count of it fits. hit: which of its protective
    stops would act at once, in words. legging: which legs of an entry in steps would lose too much if a later leg does
    not fill, in words. when: what must hold for an entry, of its universe, of the bot and of this alternative, which is
    `asked` too; halts: what must not. named: the structure, where the bot does not choose it.
    """

    bot: CompiledBot
    whole: CompiledBot
    passes: int = 0
    waited: int = 0
    lines: int = 0
    aims: tuple[StrikeTarget | None, ...] = ()
    selection: StructureSelection | None = None
    quote: NetQuote | None = None
    refused: str = ""
    hit: str = ""
    legging: str = ""
    when: tuple[JudgedCandidate, ...] = ()
    asked: tuple[JudgedCandidate, ...] = ()
    halts: tuple[JudgedCandidate, ...] = ()
    require: tuple[JudgedCandidate, ...] = ()
    named: Named | None = None

    @property
    def is_found(self) -> bool:
        """True once it is known around which strikes each leg lies, so that `lines` are all that it needs."""
        return bool(self.aims) and all(aim is None or aim.centre is not None for aim in self.aims)

    @property
    def unknown(self) -> list[JudgedCandidate]:
        """The rules that cannot be judged."""
        return [each for each in (*self.halts, *self.when, *self.require) if each.verdict.truth is None]

    @property
    def is_known(self) -> bool:
        """True when nothing more has to come."""
        if self.selection is None or self.selection.missing or any(each.may_come for each in self.unknown):
            return False
        return self.quote is None or not self.quote.missing


def judge(sight: MarketPreview, candidate: Candidate) -> View:
    """Choose the legs that a structure would have now, and judge its conditions; nothing is kept but the answer.

    Return what was seen, with the structure at the price its order would start from, if there is one; where no count of
    it fits the commission, and dollars in what is required, are of one.
    """
    bot, view = candidate.bot, sight.view()
    head = candidate.whole.on(bot.symbol)
    asked = (rule for choice in head.choices if choice.name == bot.alternative for rule in choice.when)
    candidate.halts = _judged(bot.halts, view)
    candidate.asked = _judged(asked, view)
    candidate.when = (*_offered(candidate, view), *_judged(head.when, view), *candidate.asked)
    if candidate.named is None:
        selection = select(bot.plan.legs, view, bot.expected_move)
    else:
        selection = named_selection(bot, candidate.named, view)
    candidate.selection = selection
    candidate.quote, candidate.refused, candidate.hit, candidate.legging, candidate.require = None, "", "", "", ()
    if selection.is_complete:
        _judge_structure(sight, candidate, view, selection)
    return view


def _judge_structure(sight: MarketPreview, candidate: Candidate, view: View, selection: StructureSelection) -> None:
    bot = candidate.bot
    candidate.quote = quote = price_legs(selection, view)
    show_candidate(view, bot.plan, selection, quote)
    work = sight.work()
    fits = how_many(work, bot, view, selection, quote)
    candidate.refused = "" if fits.count else fits.missing or fits.refused
    view.quantity = max(fits.count, 1)
    view.commission = float(opening_commission(selection, view, view.quantity))
    candidate.require = _judged(bot.require, view)
    view.quantity = fits.count
    price = limited_at(bot.plan.order, view.start_price, quote)
    net = None if price is None else Decimal(f"{price:.4f}")
    candidate.hit = hit_at_once(work, bot.plan.risk.protect, selection, net)
    candidate.legging = legging_problem(work, bot, selection.legs, fits.count)


def _judged(rules: Iterable[CompiledRule], view: View) -> tuple[JudgedCandidate, ...]:
    return tuple(JudgedCandidate(rule, rule.judge(view)) for rule in rules)


def _offered(candidate: Candidate, view: View) -> tuple[JudgedCandidate, ...]:
    """Judge what a universe requires of this symbol, on its options at the money."""
    member = next((each for each in candidate.whole.members if each.symbol == candidate.bot.symbol), None)
    if member is None:
        return ()
    found = _judged(show_pair(member, view), view)
    view.legs = ()
    return found
