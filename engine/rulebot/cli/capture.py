"""`rulebot capture`: a chain at a moment, from a recording or a connected gateway, as a file that tests are made of."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.clock import CLOCK, DAY
from rulebot.cli.numbers import Number
from rulebot.cli.options import settings_option
from rulebot.cli.say import print_text
from rulebot.cli.stores import STORE, print_json
from rulebot.model.errors import MisuseError, StoreError
from rulebot.store.place import shown_path

if TYPE_CHECKING:
    from rulebot.capture.chain import CapturedChain

_OF_A_GATEWAY = ("trading_class", "expiries", "within", "settings")


@click.command("capture", short_help="Keep a chain at a moment as a file.")
@click.argument("what", required=False, default="", metavar="[DAY|FILE]")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write to.")
@click.option(
    "--at",
    "clock",
    type=CLOCK,
    metavar="HH:MM[:SS]",
    help="When, in New York (default: an hour after the open); not with a gateway, which shows now.",
)
@click.option(
    "--symbol", "symbols", multiple=True, metavar="SYMBOL", help="The underlying (default: all recorded ones)."
)
@click.option("--paper", is_flag=True, help="Ask the gateway of the paper account.")
@click.option("--live", is_flag=True, help="Ask the gateway of the account with real money.")
@click.option("--sim", is_flag=True, help="Ask a simulated gateway: nothing else is needed.")
@click.option("--gateway", "address", metavar="HOST:PORT", help="Where the gateway listens (default: as for a run).")
@click.option("--class", "trading_class", metavar="CLASS", help="Of a gateway: the trading class, as SPXW.")
@click.option(
    "--expiry",
    "expiries",
    type=DAY,
    multiple=True,
    metavar="DAY",
    help="Of a gateway: an expiry (default: the nearest one).",
)
@click.option(
    "--within",
    type=Number(0.1, 100),
    metavar="PERCENT",
    help="Of a gateway: strikes that far from the spot (default 3).",
)
@settings_option
@click.option(
    "--store", type=STORE, metavar="STORE", help="The store whose recordings DAY means (default: the last run's)."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For eyes or machines.")
def capture(**options: Any) -> None:
    """Write what was known around an underlying at a moment as JSON (docs/captures.md): levels, expiries, options with
    quotes and greeks, the account without its number.

    The moment is one of a recorded day (default: the last one recorded), or now, of the gateway that --paper, --live or
    --sim means: nothing is sent to it but questions. 'rulebot gateway --chain FILE' serves what was captured.

    Exit code: 0, 2 for misuse, 3 when the recording, the gateway or the disk failed.
    """
    _check(options)
    is_asked = options["paper"] or options["live"] or options["sim"]
    chains = [_asked(options)] if is_asked else _recorded(options)
    files = [_write(chain, options["out"]) for chain in chains]
    told = [_document(chain, file) for chain, file in zip(chains, files, strict=True)]
    if options["form"] == "json":
        print_json({"captures": told})
        return
    for each in told:
        took = f", in {each['seconds']:g} s" if each["seconds"] else ""
        spot = "without a price" if each["spot"] is None else f"{each['spot']:.2f}"
        print_text(f" {each['file']}: {each['symbol']} {spot}, {each['options']} options{took}")


def _check(options: Mapping[str, Any]) -> None:
    """Refuse what does not go together. Raises: MisuseError."""
    whose = [f"--{name}" for name in ("paper", "live", "sim") if options[name]]
    if len(whose) > 1:
        raise MisuseError(f"{whose[0]} and {whose[1]} are two gateways")
    if not whose:
        if options["address"] is not None:
            raise MisuseError("--gateway is one of three: add --paper, --live, or --sim for a 'rulebot gateway'")
        for name in _OF_A_GATEWAY:
            if options[name]:
                flag = {"trading_class": "class", "expiries": "expiry"}.get(name, name)
                raise MisuseError(f"--{flag} is what a gateway is asked for: add --paper, --live or --sim")
        return
    if options["what"] or options["store"] is not None:
        raise MisuseError(f"a recording and {whose[0]} are two sources: leave one out")
    if options["clock"] is not None and (not options["sim"] or options["address"] is not None):
        raise MisuseError("a gateway shows what is now: leave --at out")
    if len(options["symbols"]) != 1:
        raise MisuseError("a gateway is asked for one chain at a time", "say which by --symbol, as --symbol SPX")


def _recorded(options: Mapping[str, Any]) -> "list[CapturedChain]":
    from rulebot.capture.captured import chains_at
    from rulebot.capture.market import files_of
    from rulebot.capture.recorded import read_day
    from rulebot.model.session import at_exchange_time, session_from
    from rulebot.preview.read_only_session import INTO_THE_DAY

    recorded = read_day(files_of(options["what"], options["store"]), 1)
    day, clock = recorded.day.day, options["clock"]
    at = session_from(day).open + INTO_THE_DAY if clock is None else at_exchange_time(day, clock)
    return chains_at(recorded, at, options["symbols"])


def _asked(options: Mapping[str, Any]) -> "CapturedChain":
    from rulebot.capture.asking import CaptureOptions, request_chain
    from rulebot.cli.run import gateway_address
    from rulebot.store.folders import data_folder

    host, port = gateway_address(options["address"])
    logging.basicConfig(level=logging.CRITICAL, force=True)
    asked = CaptureOptions(
        symbol=options["symbols"][0],
        trading_class=options["trading_class"] or "",
        expiries=tuple(options["expiries"]),
        within=(options["within"] or 3.0) / 100,
        clock=options["clock"],
        settings=options["settings"],
        flags={"host": host, "live_port" if options["live"] else "port": port},
        live=options["live"],
        sim=options["sim"],
        data=data_folder(),
    )
    return asyncio.run(request_chain(asked))


def _write(chain: "CapturedChain", folder: Path) -> Path:
    from rulebot.capture.chain import chain_text
    from rulebot.spec.whole_file import write_whole

    file = folder / chain.file_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, chain_text(chain).encode())
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}") from error
    return file


def _document(chain: "CapturedChain", file: Path) -> dict[str, Any]:
    return {
        "file": shown_path(file),
        "at": chain.at.isoformat(),
        "source": chain.source,
        "symbol": chain.symbol,
        "spot": chain.spot,
        "options": len(chain.options),
        "seconds": chain.seconds,
    }
