"""What keeps an entry out whatever its bot's rules say, on record."""

from collections.abc import Iterable

from engine.model.values import replace
from engine.record.record import Kind
from engine.turn.work import Work

_NO_DIGITS = str.maketrans("", "", "0123456789.,-")


def halted(work: Work, symbols: Iterable[str]) -> tuple[str, ...]:
    """Return those symbols in which trading is halted: in themselves, or in an option on them."""
    board = work.state.board
    if not board.halted:
        return ()
    found = {contract.symbol for row in board.halted if (contract := board.contracts[row]) is not None}
    return tuple(symbol for symbol in dict.fromkeys(symbols) if symbol in found)


def skip(work: Work, name: str, reason: str) -> None:
    """Record a refusal, once for the same words whatever their numbers are."""
    state = work.bots[name]
    key = f"skip {reason.translate(_NO_DIGITS)}"
    if key not in state.alarmed:
        work.set_bot(name, replace(state, alarmed=state.alarmed | {key}))
        work.record(Kind.DECISION, name, what="skip", reason=reason, values=[])
