"""`rulebot gateway`: a simulated TWS gateway on this machine, for any TWS client; or the ledger of a run of it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import date
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import CLOCK, DAY, FORMAT, Number, WholeNumber, is_explicit, settings_option
from rulebot.cli.output import print_text
from rulebot.cli.past_options import LEDGER, XML, check_output, read_shares
from rulebot.cli.store_options import STORE, print_json
from rulebot.model.errors import MisuseError, StoreError
from rulebot.store.place import shown_path
from twsim import GATEWAY_OPTIONS, GatewayOption, check_alone, gateway_settings, serve, show_ledger

if TYPE_CHECKING:
    from rulebot.capture.captured import CapturedMarket
    from rulebot.capture.chain import CapturedChain
    from twsim import RunningGateway


def _speed(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    from twsim import speed_of

    try:
        return speed_of(value)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


_CALLBACKS: dict[str, Callable[..., Any]] = {"speed": _speed, "shares": read_shares}


def _option(each: GatewayOption) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option of the simulator's own command as one of click's."""
    types: dict[object, Any] = {
        int: WholeNumber(each.least, each.most),
        float: Number(each.least, each.most),
        date: DAY,
        Path: click.Path(exists=each.exists, dir_okay=False, path_type=Path),
    }
    return click.option(
        each.flag,
        type=types.get(each.kind),
        is_flag=each.kind is bool,
        default=each.default,
        show_default=each.default is not None,
        multiple=each.many,
        metavar=each.metavar,
        callback=_CALLBACKS.get(each.name),
        help=each.help,
    )


def _gateway_options(command: Callable[..., Any]) -> Callable[..., Any]:
    return reduce(lambda made, each: _option(each)(made), reversed(GATEWAY_OPTIONS), command)


@click.command("gateway", short_help="serve a simulated market to any TWS client")
@_gateway_options
@click.option(
    "--recording",
    metavar="DAY|FILE",
    help="Serve the market of a recorded day instead: a .tape file, or a day of the recordings next to --store.",
)
@click.option(
    "--chain",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Serve a captured chain, in which nothing moves (docs/captures.md); several are one market.",
)
@click.option(
    "--store",
    type=STORE,
    metavar="STORE",
    help="The store whose recordings --recording means (default: the last run's).",
)
@click.pass_context
def gateway(ctx: click.Context, /, **options: Any) -> None:
    """Serve a SIMULATED market, broker and account to any client of the TWS API, on this machine only.

    Nothing here is real: no order leaves this computer. A client that connects with the option +LOCKSTEP
    holds the virtual clock; docs/gateway.md has the rules.
    """
    check_output("--flex", options["flex"], XML)
    check_output("--write-ledger", options["write_ledger"], LEDGER)
    try:
        check_alone({name: options[name] for name in options if is_explicit(name)})
        if options["ledger"] is not None:
            ctx.exit(show_ledger(options["ledger"], options["flex"]))
        given = _given(options)
        settings = gateway_settings({**options, **_of_day(given)})
    except ValueError as problem:
        raise click.UsageError(str(problem)) from problem
    if given is None:
        ctx.exit(serve(settings, hint=_next))
    from twsim import ReplayedMarket

    ctx.exit(serve(settings, ReplayedMarket(given.market), about=given.about, hint=_next))


def _of_day(given: "CapturedMarket | None") -> dict[str, Any]:
    """Return the options that a recorded day decides unless they are given."""
    if given is None:
        return {}
    found: dict[str, Any] = {"date": given.market.day}
    if given.cash and not is_explicit("cash"):
        found["cash"] = float(given.cash)
    if given.account and not is_explicit("account"):
        found["account"] = (given.account,)
    return found


def _given(options: Mapping[str, Any]) -> "CapturedMarket | None":
    """Return the market that is given instead of the model, if one is. Raises: RulebotError."""
    recording, chains, store = options["recording"], options["chain"], options["store"]
    if store is not None and recording is None:
        raise MisuseError("--store says whose recordings are meant: add --recording")
    if recording is None and not chains:
        return None
    flag = "--chain" if chains else "--recording"
    if recording is not None and chains:
        raise MisuseError("--recording and --chain are two markets: leave one out")
    for name in ("date", "days", "market"):
        if is_explicit(name):
            raise MisuseError(f"{flag} has the market of its own day: omit --{name}")
    from rulebot.capture.captured import captured, recorded

    return captured(chains) if chains else recorded(recording, store, options["data_seconds"])


def _next(running: "RunningGateway") -> str:
    from rulebot.adapters.ib.connection_errors import is_paper

    mode = "--paper --sim" if is_paper(running.gateway.hub.brokers[0].account) else "--live"
    return f"next: rulebot run {mode} --gateway 127.0.0.1:{running.port} SPECS, or any other TWS client; Ctrl+C ends it"


# --- `rulebot capture`: a chain at a moment, from a recording or a connected gateway, as a file that tests are made
#     of

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
@FORMAT
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
    reported = [_document(chain, file) for chain, file in zip(chains, files, strict=True)]
    if options["form"] == "json":
        print_json({"captures": reported})
        return
    for each in reported:
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
    from rulebot.capture.captured import chains_at, files_of
    from rulebot.capture.recorded import read_day
    from rulebot.model.session import at_exchange_time, session_from
    from rulebot.preview.connection import INTO_THE_DAY

    recorded = read_day(files_of(options["what"], options["store"]), 1)
    day, clock = recorded.day.day, options["clock"]
    at = session_from(day).open + INTO_THE_DAY if clock is None else at_exchange_time(day, clock)
    return chains_at(recorded, at, options["symbols"])


def _asked(options: Mapping[str, Any]) -> "CapturedChain":
    from rulebot.capture.captured import CaptureOptions, request_chain
    from rulebot.cli.run import gateway_address
    from rulebot.store.place import data_folder

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
    from rulebot.spec.files import write_whole

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
