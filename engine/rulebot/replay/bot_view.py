"""What a bot saw at an instant of a replay: what each of its rules says, and the market it says it of."""

from collections.abc import Iterator
from datetime import datetime
from math import isnan
from typing import Any

from rulebot.core.program import CompiledBot, CompiledRule
from rulebot.core.state_builder import StateBuilder
from rulebot.evaluate.evaluation import Verdict
from rulebot.evaluate.wording import describe
from rulebot.model.contract import Underlying
from rulebot.model.market import Board
from rulebot.replay.replay import Replayed

_TRUTHS = {True: "yes", False: "no", None: "unknown"}
_QUOTED = ("bid", "ask", "last", "iv", "delta")


def view_lines(found: Replayed, at: datetime) -> Iterator[str]:
    """Yield, for each bot that ran, what its entry conditions say; then the levels and quotes that are streamed."""
    for name, bot in found.program.bots.items():
        verdicts = list(conditions(found, bot, at))
        if not verdicts:
            continue
        yield ""
        yield f" {name}, if it were to enter now:"
        width = max(len(called) for called, _, _ in verdicts)
        for called, rule, verdict in verdicts:
            words = describe(rule.rule, verdict).removeprefix("unknown").lstrip()
            yield f"   {called:<{width}}  {_TRUTHS[verdict.truth]:<7}  {words}"
    yield ""
    yield " what was streamed:"
    for name, row in sorted((str(contract), row) for contract, row in found.state.board.rows.items()):
        yield f"   {_quote(found.state.board, row, name)}"


def view_document(found: Replayed, asked: datetime, at: datetime) -> dict[str, Any]:
    """Return the same for machines. asked: which instant was, beyond the end of the recording where that is later."""
    board = found.state.board
    return {
        "at": asked.isoformat(),
        "until": found.at.isoformat(),
        "bots": {
            name: [
                {"rule": called, "truth": verdict.truth, "why": describe(rule.rule, verdict)}
                for called, rule, verdict in conditions(found, bot, at)
            ]
            for name, bot in found.program.bots.items()
        },
        "quotes": {
            str(contract): {name: known_number(board, name, row) for name in _QUOTED}
            for contract, row in board.rows.items()
        },
        "positions": sorted(found.state.active),
    }


def conditions(found: Replayed, bot: CompiledBot, at: datetime) -> Iterator[tuple[str, CompiledRule, Verdict]]:
    """Yield what each entry condition of a bot is called, and says.

    Those of a universe for each of its symbols, those of an alternative of `choose` behind its name.
    """
    for each in [member.bot for member in bot.members] or [bot]:
        for rule, verdict in entry_verdicts(found, each, at):
            yield f"{each.symbol} {rule.rule.name}".strip(), rule, verdict
        view = StateBuilder(found.program, found.state, at).view()
        for choice in each.choices:
            for rule in choice.when:
                yield f"{each.symbol} {choice.name}: {rule.rule.name}".strip(), rule, rule.judge(view)


def entry_verdicts(found: Replayed, bot: CompiledBot, at: datetime) -> Iterator[tuple[CompiledRule, Verdict]]:
    """Yield each entry condition of a bot on one underlying with what it says at that instant."""
    view = StateBuilder(found.program, found.state, at).view()
    for rule in bot.when:
        yield rule, rule.judge(view)


def known_number(board: Board, name: str, row: int) -> float | None:
    """Return a column of a row, None when it is missing."""
    value: float = getattr(board, name)[row]
    return None if isnan(value) else round(value, 6)


def _quote(board: Board, row: int, name: str) -> str:
    bid, ask, last, iv, delta = (known_number(board, each, row) for each in _QUOTED)
    if bid is None and ask is None:
        return f"{name}  {'-' if last is None else f'{last:.2f}'}"
    sides = " / ".join("-" if side is None else f"{side:.2f}" for side in (bid, ask))
    if isinstance(board.contracts[row], Underlying):
        return f"{name}  {sides}"
    greeks = [f"{word} {value:.3f}" for word, value in (("iv", iv), ("delta", delta)) if value is not None]
    return "  ".join((name, sides, *greeks))
