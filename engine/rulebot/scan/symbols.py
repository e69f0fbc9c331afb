"""The symbols of documents, asked of the broker: which are gone, ambiguous, or without the options that bots trade."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from rulebot.adapters.ib.settings import IbSettings
from rulebot.adapters.ib.symbols import symbol_facts
from rulebot.documents.load_bots import ProblemsError
from rulebot.live.environments import World
from rulebot.model.contract import product
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.facts import SymbolFacts
from rulebot.process.connection_state import first_batch
from rulebot.spec.files import write_whole
from rulebot.spec.load import Loaded, load_document
from rulebot.spec.universe import without_symbols

CLIENT_ID = 71
"""Which client asks, unless told otherwise: not the one that an engine trades as."""


def symbols_in(files: Iterable[Path]) -> tuple[str, ...]:
    """Return the symbols of universe documents and bots, each once, in their order.

    Raises: ProblemsError with the errors of all of them; MisuseError when none names a symbol; StoreError.
    """
    loaded = [_load(file) for file in files]
    if any(not each.is_fine for each in loaded):
        raise ProblemsError({each.source.file: each.diagnostics for each in loaded})
    symbols = tuple(dict.fromkeys(symbol for each in loaded for symbol in _symbols(each)))
    if not symbols:
        raise MisuseError("none of these files names a symbol", "name universe documents or bots")
    return symbols


def _load(file: Path) -> Loaded:
    try:
        return load_document(file, digested=False)
    except OSError as error:
        raise StoreError(f"cannot read '{error.filename or file}': {error.strerror or error}") from error


def _symbols(loaded: Loaded) -> tuple[str, ...]:
    if loaded.universe is not None:
        return tuple(symbol for listed in loaded.universe.categories.values() for symbol in listed)
    if loaded.spec is None:
        return ()
    return loaded.spec.underlyings if loaded.spec.universe is None else loaded.spec.universe.symbols


async def ask_symbols(world: AbstractAsyncContextManager[World], symbols: tuple[str, ...]) -> tuple[SymbolFacts, ...]:
    """Return what the broker has under each symbol. Raises: BrokerError."""
    async with world as entered:
        link = entered.ib.link
        await first_batch(link, "symbols")
        seconds = IbSettings().request_seconds
        return tuple([await symbol_facts(link, symbol, seconds) for symbol in symbols])


def refresh_universes(files: Iterable[Path], found: Iterable[SymbolFacts]) -> list[tuple[Path, list[str]]]:
    """Remove the symbols that bots cannot trade from the universe documents among these files, and return which.

    A symbol of several contracts stays. Raises: MisuseError where a document would be left empty; StoreError.
    """
    gone = {each.symbol for each in found if len(each.contracts) < 2 and trouble_with(each)}
    changed = []
    for file in files:
        loaded = _load(file)
        lost = [symbol for symbol in _symbols(loaded) if symbol in gone]
        if loaded.universe is None or not lost:
            continue
        try:
            text = without_symbols(file.read_text(encoding="utf-8"), gone)
            write_whole(file, text.encode())
        except ValueError as error:
            raise MisuseError(f"{file}: {error}", "remove the file, or write other symbols into it") from error
        except OSError as error:
            raise StoreError(f"cannot write '{file}': {error.strerror or error}") from error
        changed.append((file, lost))
    return changed


def trouble_with(facts: SymbolFacts) -> str:
    """Return why bots cannot trade a symbol, "" when they can."""
    if not facts.contracts:
        return "gone: the broker has no stock, fund or index of this symbol in US dollars"
    if len(facts.contracts) > 1:
        found = ", ".join(f"{each.name} ({each.exchange}, {each.con_id})" for each in facts.contracts)
        return f"ambiguous: the broker has {len(facts.contracts)} of them: {found}"
    usual = product(facts.symbol).same_day_class
    if not facts.expiries:
        return "no options: the broker lists none on it"
    if usual not in facts.expiries:
        return f"no options {usual}: the broker lists {', '.join(facts.expiries)}"
    return ""
