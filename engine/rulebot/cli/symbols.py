"""`rulebot symbols`: the symbols of universe documents and bots, checked against the broker."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rulebot.cli.numbers import WholeNumber
from rulebot.cli.options import settings_option
from rulebot.cli.paths import SPECS
from rulebot.cli.say import print_text
from rulebot.model.counted import counted
from rulebot.narrate.text_table import aligned

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from rulebot.live.environments import World
    from rulebot.model.facts import SymbolFacts

NOT_ALL_FINE = 1


@click.command("symbols", short_help="Ask the broker which symbols are gone or have no options.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=SPECS)
@click.option("--gateway", "address", metavar="HOST:PORT", help="Where IB Gateway or TWS of a paper login listens.")
@click.option("--client-id", type=WholeNumber(0, 2**31 - 1), metavar="N", help="The API client id (default 71).")
@settings_option
@click.option("--sim", is_flag=True, help="Ask the simulated broker: nothing else is needed.")
@click.option("--refresh", is_flag=True, help="Remove from the universe documents in PATH what bots cannot trade.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For eyes or machines.")
def symbols(
    paths: tuple[str, ...],
    address: str | None,
    client_id: int | None,
    settings: Path | None,
    sim: bool,
    refresh: bool,
    form: str,
) -> None:
    """Ask the broker of every symbol in PATH (universe documents and bots; files, folders, patterns): whether there is
    such an index, stock or fund, just one, where it is listed, and which options on it.

    Nothing is traded. An engine may run meanwhile: this is another client. No file is changed without --refresh, which
    removes the symbols that bots cannot trade from universe documents, and keeps their comments. A symbol that is
    ambiguous stays: a person must choose.

    Exit code: 0 when bots can trade them all, 1 when not (or for errors in PATH), 2 for misuse, 3 when the gateway
    failed.
    """
    from rulebot.cli.validate import show_problems
    from rulebot.documents.load_bots import ProblemsError
    from rulebot.model.errors import MisuseError
    from rulebot.scan.symbols import ask_symbols, symbols_in
    from rulebot.spec.files import find_files

    if sim and (address or client_id is not None):
        raise MisuseError("--sim asks a market of its own: leave --gateway and --client-id out")
    files = find_files(paths)
    try:
        named = symbols_in(files)
    except ProblemsError as error:
        show_problems(error.found, "text", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    for name in ("ib_async", "ib_async.wrapper", "ib_async.client", "ib_async.ib"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    found = asyncio.run(ask_symbols(_world(address, client_id, settings, sim=sim), named))
    troubled = _show(found, form)
    if refresh:
        from rulebot.scan.symbols import refresh_universes

        for file, gone in refresh_universes(files, found):
            print_text(f"{file}: removed {', '.join(gone)}", err=True)
    if troubled:
        raise click.exceptions.Exit(NOT_ALL_FINE)


def _world(
    address: str | None, client_id: int | None, file: Path | None, *, sim: bool
) -> "AbstractAsyncContextManager[World]":
    from rulebot.cli.run import gateway_address
    from rulebot.live.environments import SimSettings, attached, simulated
    from rulebot.process.settings import read_settings
    from rulebot.scan.symbols import CLIENT_ID
    from rulebot.store.folders import data_folder

    number = CLIENT_ID if client_id is None else client_id
    if sim:
        return simulated(SimSettings(), number)
    host, port = gateway_address(address)
    settings = read_settings(file, Path(), data_folder(), flags={"host": host, "port": port})
    return attached(settings.host, settings.port, number, settings.account, lockstep=False)


def _show(found: "tuple[SymbolFacts, ...]", form: str) -> int:
    """Print what the broker has, and return how many symbols bots cannot trade."""
    from rulebot.cli.stores import print_json
    from rulebot.scan.symbols import trouble_with

    troubles = {facts.symbol: trouble for facts in found if (trouble := trouble_with(facts))}
    if form == "json":
        print_json({"symbols": [_row(facts, troubles.get(facts.symbol, "")) for facts in found]})
        return len(troubles)
    for line in aligned([_words(facts, troubles.get(facts.symbol, "")) for facts in found]):
        print_text(line)
    many = counted(len(found), "symbol")
    print_text(f"{many}: {len(found) - len(troubles)} fine" + (f", {len(troubles)} not" if troubles else ""))
    return len(troubles)


def _words(facts: "SymbolFacts", trouble: str) -> tuple[str, ...]:
    if trouble:
        return (facts.symbol, "-", "-", trouble)
    (contract,) = facts.contracts
    days = sorted(day for listed in facts.expiries.values() for day in listed)
    options = f"options {', '.join(facts.expiries)} to {days[-1]}"
    return (facts.symbol, "index" if contract.is_index else "stock", contract.exchange, f"{contract.name}; {options}")


def _row(facts: "SymbolFacts", trouble: str) -> dict[str, object]:
    return {
        "symbol": facts.symbol,
        "trouble": trouble,
        "contracts": [
            {"con_id": each.con_id, "is_index": each.is_index, "exchange": each.exchange, "name": each.name}
            for each in facts.contracts
        ],
        "options": {name: [str(day) for day in days] for name, days in facts.expiries.items()},
    }
