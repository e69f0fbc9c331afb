"""Whether all conditions of a spec hold for one structure, or the first that does not, and by how much."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from rulebot.evaluate.wording import shortfall
from rulebot.model.loss_bound import trade_bound
from rulebot.model.money import dollars
from rulebot.order.ladder import limited_at
from rulebot.preview.candidate import Candidate, JudgedCandidate
from rulebot.scan.measure_structure import MeasuredStructure


class RequirementCheck(NamedTuple):
    """The answer in three values; `why` says what fails or is unknown first, `short` by what part of its bound."""

    truth: bool | None
    why: str = ""
    short: float | None = None


def holding(candidate: Candidate, measured: MeasuredStructure) -> RequirementCheck:
    """Ask the conditions in the order in which a bot does: a false one decides, else the first that is unknown."""
    found = list(_asked(candidate, measured))
    false = [each for each in found if each.truth is False]
    if false:
        first, more = false[0], len(false) - 1
        return first._replace(why=f"{first.why}; and {more} more" if more else first.why)
    return next((each for each in found if each.truth is None), RequirementCheck(True))


def _asked(candidate: Candidate, measured: MeasuredStructure) -> Iterator[RequirementCheck]:
    yield from _of(candidate.when)
    selection, quote = candidate.selection, candidate.quote
    if selection is None or selection.missing:
        yield RequirementCheck(None, f"no legs: {selection.missing if selection is not None else 'nothing was chosen'}")
    elif selection.refused:
        yield RequirementCheck(False, f"no legs: {selection.refused}")
    elif quote is not None and quote.missing:
        yield RequirementCheck(None, f"no price: {quote.missing}")
    elif candidate.refused:
        yield RequirementCheck(False, candidate.refused)
    yield from _of(candidate.require)
    yield from _of_loss(candidate, measured)
    for words in filter(None, (candidate.legging, candidate.hit)):
        yield RequirementCheck(False, words)
    for each in candidate.halts:
        if each.verdict.truth is not False:
            halts = "it would halt for the day" if each.verdict.truth else "whether it halts is unknown"
            yield RequirementCheck(None if each.verdict.truth is None else False, f"{halts}: {each.words}")


def _of(judged: Sequence[JudgedCandidate]) -> Iterator[RequirementCheck]:
    for each in judged:
        words = each.words if each.verdict.truth is not None else f"unknown: {each.words}"
        yield RequirementCheck(each.verdict.truth, words, shortfall(each.rule.rule, each.verdict))


def _of_loss(candidate: Candidate, measured: MeasuredStructure) -> Iterator[RequirementCheck]:
    """Hold `max_loss_per_trade` against the worst case at the price of the order, as the gate before an entry does."""
    plan, selection = candidate.bot.plan, candidate.selection
    limit = plan.risk.max_loss_per_trade
    if limit is None or selection is None or not selection.is_complete or candidate.quote is None:
        return
    price = limited_at(plan.order, measured.start, candidate.quote)
    if price is None or not measured.quantity:
        return
    is_covered = plan.overwrite is not None
    loss = trade_bound(selection.legs, Decimal(f"{price:.4f}"), measured.quantity, is_covered=is_covered)
    if loss is not None and loss > limit:
        words = f"could lose {dollars(loss)}, max_loss_per_trade is {dollars(limit)}"
        yield RequirementCheck(False, words, float((loss - limit) / limit) if limit else 1.0)
