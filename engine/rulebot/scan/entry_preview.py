"""Entry preview: what a manual entry of a bot would trade now: legs, price, and obstacles.

Nothing is sent or kept: the request runs through `handle_event` on the engine's present state, and its result is
discarded. So the limits of a preview are those of the entry itself.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import NamedTuple

from rulebot.core.entry.manual_entry import ASKED, unfit
from rulebot.core.handle_event import handle_event
from rulebot.core.program import Program
from rulebot.core.queries.openings import bot_of_named
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import Named, State
from rulebot.core.state.turn import Turn
from rulebot.measure.evaluation import negated
from rulebot.measure.view import View
from rulebot.model.event import MarketDataUpdated, OperatorRequest, Request
from rulebot.model.order import AskMargin, Purpose, Submit
from rulebot.model.text import one_line
from rulebot.model.values import dataclass
from rulebot.narrate.positions import ShownLeg, payoff_at_expiry, shown_legs, structure_of_legs
from rulebot.order.price import limited_at
from rulebot.preview.candidate import Candidate, SnapshotMarket, judge
from rulebot.record.record import Kind, Record
from rulebot.review.payoff import Payoff

ENGINE = "the engine"
OF_A_UNIVERSE = "it cannot be entered by hand: it chooses among its symbols by its conditions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One structure as it would be entered. `at` is the time of its quotes.

    source: whose data, in words; is_delayed: its quotes are minutes old. lacking: why there are no legs, or no price.
    answer: the result of a manual entry; would_send: whether an order would leave, None where only an engine could say,
    or once quotes are there that it asks for first. conditions: the spec's, in words, with true, false or None for
    unknown; a manual entry ignores `when`.

    Units: price (where its order would start, at market natural), mid and natural per share of one structure, + is
    received; commission in dollars of opening all of it, of one structure where no count of it fits.
    """

    bot: str
    at: datetime
    source: str
    symbol: str = ""
    alternative: str = ""
    legs: tuple[ShownLeg, ...] = ()
    quantity: int = 0
    price: float | None = None
    mid: float | None = None
    natural: float | None = None
    commission: float | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    covered: bool = False
    is_delayed: bool = False
    lacking: str = ""
    conditions: tuple[tuple[str, bool | None], ...] = ()
    answer: str = ""
    would_send: bool | None = None

    @property
    def structure(self) -> str:
        """The legs in a few letters, "" without any."""
        return structure_of_legs(self.legs) if self.legs else ""

    @property
    def payoff(self) -> Payoff | None:
        """The profit of all of it at expiry, None where unknown; of one structure where no count of it fits."""
        if not self.legs or self.price is None:
            return None
        count, paid = max(self.quantity, 1), self.commission or 0.0
        return payoff_at_expiry(self.legs, count, self.price, paid, self.levels, covered=self.covered)


class _Outcome(NamedTuple):
    """The result of a manual entry."""

    words: str
    sends: bool | None = False


def preview_now(
    program: Program, state: State, at: datetime, name: str, symbol: str = "", named: Named | None = None
) -> Preview | None:
    """Return what a bot of an engine would enter now; None for a bot that it does not run.

    symbol: of a bot with a universe, which of its symbols is meant. named: the structure, where it is not the bot's
    choice; then its own symbol counts. The engine's own thread asks this, between two batches: quotes are written in
    place.
    """
    bot = program.bots.get(name)
    if bot is None:
        return None
    now = SnapshotMarket(StateBuilder(program, state, at))
    if named is not None and (reason := unfit(now.work(), bot, named)):
        return Preview(bot=name, at=at, source=ENGINE, lacking=reason, answer=reason, would_send=False)
    taken = None if named is None else bot_of_named(bot, named)
    structures = [each for each in bot.structures() if each.symbol in ("", symbol)] if taken is None else [taken]
    found = [(candidate := Candidate(each, bot, named=named), judge(now, candidate)) for each in structures]
    if not found:
        lacking = f"{symbol} is not in its universe" if symbol else "it chooses among its symbols"
        return Preview(bot=name, at=at, source=ENGINE, lacking=lacking, answer=OF_A_UNIVERSE, would_send=False)
    chosen, view = next((each for each in found if _may_be_taken(each[0])), found[0])
    if bot.members and named is None:
        return _previewed(chosen, view, at, _Outcome(OF_A_UNIVERSE))
    return _previewed(chosen, view, at, _outcome(program, state, at, name, named))


def _may_be_taken(candidate: Candidate) -> bool:
    return all(each.evaluation.truth is not False for each in candidate.asked)


def _previewed(chosen: Candidate, view: View, at: datetime, outcome: _Outcome) -> Preview:
    selection, quote = chosen.selection, chosen.quote
    is_chosen = selection is not None and selection.is_complete
    levels = {each: level for each in chosen.bot.plan.underlyings if (level := view.level(each)) is not None}
    return Preview(
        bot=chosen.whole.plan.name,
        at=at,
        source=ENGINE,
        symbol=chosen.symbol,
        alternative=chosen.bot.alternative,
        legs=shown_legs(selection, view.board) if selection is not None and is_chosen else (),
        quantity=view.quantity,
        price=view.start_price if quote is None else limited_at(chosen.bot.plan.order, view.start_price, quote),
        mid=chosen.mid,
        natural=chosen.natural,
        commission=view.commission if is_chosen else None,
        levels=levels,
        covered=chosen.bot.plan.overwrite is not None,
        lacking=_lacking(chosen),
        conditions=_conditions(chosen),
        answer=outcome.words,
        would_send=outcome.sends,
    )


def _lacking(candidate: Candidate) -> str:
    selection = candidate.selection
    if selection is None:
        return "nothing was chosen"
    unpriced = "" if candidate.quote is None else candidate.quote.missing
    return selection.missing or selection.refused or unpriced or candidate.refused


def _conditions(candidate: Candidate) -> tuple[tuple[str, bool | None], ...]:
    asked = (*candidate.when, *candidate.require)
    halting = ((f"no halt: {each.words}", negated(each.evaluation.truth)) for each in candidate.halts)
    return (*((each.words, each.evaluation.truth) for each in asked), *halting)


def _outcome(program: Program, state: State, at: datetime, name: str, named: Named | None = None) -> _Outcome:
    """Ask for the entry on a copy of the state, which is thrown away, and say what came of it."""
    if not state.connection.is_linked:
        return _Outcome("the broker is not connected")
    program = _alone(program, name)
    wanted = named or Named(())
    request = OperatorRequest(at, f"preview {name} {at.isoformat()}", Request.ENTER, name)
    asked = handle_event(program, state, replace(request, legs=wanted.legs, alternative=wanted.alternative))
    judged = handle_event(program, asked.state, MarketDataUpdated(at, ()))
    asks_quotes = any(option not in state.market.board.rows for _, option in wanted.legs)
    return _said(name, asked, judged, asks_quotes=asks_quotes)


def _alone(program: Program, name: str) -> Program:
    """Return a program of this bot and those that its rules look at; the others' texts govern what they hold.

    So an engine of many bots spends on a preview what one of them costs.
    """
    texts = {bot.plan.digest: bot for bot in program.bots.values()}
    seen = {name, *program.bots[name].plan.needs.bots}
    return replace(
        program,
        bots={each: bot for each, bot in program.bots.items() if each in seen},
        pinned={**program.pinned, **texts},
    )


def _said(name: str, asked: Turn, judged: Turn, *, asks_quotes: bool) -> _Outcome:
    """Return what came of a request. asks_quotes: contracts that it names are not streamed before it is sent."""
    for command in judged.commands:
        if isinstance(command, Submit) and command.order.bot == name and command.order.purpose is Purpose.ENTRY:
            return _Outcome("nothing blocks it", sends=True)
        if isinstance(command, AskMargin) and command.order.bot == name:
            words = "no known limit blocks it; the broker is asked first what margin it needs"
            return _Outcome(words, sends=True)
    reasons = [_refusal(record) for record in (*asked.records, *judged.records) if record.bot == name]
    refused = next((reason for reason in reversed(reasons) if reason), "")
    return _Outcome(
        one_line(refused or judged.state.bots.by_name[name].status_text), None if asks_quotes and not refused else False
    )


def _refusal(record: Record) -> str:
    is_refusal = record.kind is Kind.DECISION and record.data.get("what") == "skip"
    return str(record.data.get("reason") or "").removeprefix(ASKED) if is_refusal else ""
