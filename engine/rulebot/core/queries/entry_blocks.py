"""Entry blocks: what prevents an entry whatever the bot's rules say, with its records."""

from collections.abc import Collection, Iterable

from rulebot.core.program import CompiledBot
from rulebot.core.queries.day_pnl import account_today
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import set_bot
from rulebot.core.state.state import TradingMode
from rulebot.decide.limits import account_day_problem, clock_problem, closed_words, halt_words, record_problem
from rulebot.model.values import replace
from rulebot.record.record import Json, Kind

NOT_RUN = "its bot is not loaded"
"""Why nothing is opened for a bot that was removed, or where exits alone are watched."""
_NO_DIGITS = str.maketrans("", "", "0123456789.,-")


PREFIX = "rb:"


def closed(work: StateBuilder, symbols: Iterable[str]) -> tuple[str, ...]:
    """Return those symbols that do not trade today, by the broker's hours."""
    hours = work.market.facts.hours
    if not hours:
        return ()
    return tuple(symbol for symbol in dict.fromkeys(symbols) if symbol in hours and hours[symbol].is_closed)


def halted(work: StateBuilder, symbols: Iterable[str]) -> tuple[str, ...]:
    """Return those symbols in which trading is halted: in themselves, or in an option on them."""
    board = work.market.board
    if not board.halted:
        return ()
    found = {contract.symbol for row in board.halted if (contract := board.contracts[row]) is not None}
    return tuple(symbol for symbol in dict.fromkeys(symbols) if symbol in found)


def not_trading(work: StateBuilder, symbols: Collection[str]) -> str:
    """Return why these symbols do not trade now; "" when they trade."""
    return closed_words(closed(work, symbols)) or halt_words(halted(work, symbols))


def shut_today(work: StateBuilder, bot: CompiledBot) -> str:
    """Return that by the broker's hours a bot can enter nothing today, "" when it may; of a universe no symbol."""
    return closed_words(bot.barred_by([symbol for symbol, each in work.market.facts.hours.items() if each.is_closed]))


def only_reduces(work: StateBuilder) -> str:
    """Return why all only reduces, "" while it does not."""
    standing = work.requests.operator
    if standing.trading is TradingMode.ACTIVE and not work.requests.is_stopping:
        return ""
    return f"only reducing: {standing.reason}" if standing.reason else "only reducing"


def kept_out(work: StateBuilder) -> str:
    """Return why no bot may enter now or send another entry try; "" when each may."""
    over = account_day_problem(account_today(work), work.program.limits.day)
    reported = (
        (over.text if over else "")
        or other_engine_text(work.inquiries.foreign_orders)
        or clock_problem(is_known=work.connection.is_time_known)
    )
    return reported or record_problem(takes_records=work.connection.takes_records)


def waits_for_reload(work: StateBuilder, name: str) -> str:
    """Return that a bot enters nothing before a reload is taken up, "" when it may."""
    return "a reload waits to be taken up" if work.requests.reloading & {"", name} else ""


def skip(work: StateBuilder, name: str, reason: str, symbol: str = "", window: int = 0) -> None:
    """Record a block, once for the same words whatever their numbers; for a universe with its `symbol`.

    window: of the session; the same words are recorded once in each.
    """
    state = work.bots.by_name[name]
    key = " ".join(filter(None, ("skip", symbol, "#" * window, reason.translate(_NO_DIGITS))))
    if key not in state.alarmed:
        set_bot(work, name, replace(state, alarmed=state.alarmed | {key}))
        of: dict[str, Json] = {"symbol": symbol} if symbol else {}
        is_named = not symbol or symbol in reason.split()
        said = reason if is_named else f"{symbol}: {reason}"
        work.record(Kind.DECISION, name, what="skip", reason=said, values=[], **of)


def other_engine_text(rivals: frozenset[str]) -> str:
    """Return why nothing may be entered, "" when we are alone."""
    if not rivals:
        return ""
    installs = sorted(key for key in rivals if not key.startswith(PREFIX))
    orders = sorted(key for key in rivals if key.startswith(PREFIX))
    found = [f"another rulebot (install {', '.join(installs)}) trades this account"] if installs else []
    if orders:
        found.append(f"{orders[0]} is at the broker and in no record of this store")
    return f"{' and '.join(found)}: 'rulebot resume' if that is meant"
