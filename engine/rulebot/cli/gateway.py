"""`rulebot gateway`: a simulated TWS gateway on this machine, for any TWS client; or the ledger of a run of it."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import CLOCK, DAY, SEED, Number, WholeNumber, is_explicit, settings_option
from rulebot.cli.output import print_text
from rulebot.cli.past_options import LEDGER, XML, check_output, shares_option
from rulebot.cli.store_options import STORE, print_json
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.text import counted
from rulebot.store.place import Place, shown_path
from twsim.gateway.hub import DEFAULT_PORT, TWS_PORTS

if TYPE_CHECKING:
    from rulebot.capture.captured import CapturedMarket
    from rulebot.capture.chain import CapturedChain
    from twsim.gateway.hub import GatewaySettings
    from twsim.start_gateway import RunningGateway


def _speed(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """Read a speed: a number above 0, or `max`, which is None."""
    if value == "max":
        return None
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise click.BadParameter(f"a speed is a number above 0, or max; is {value!r}")
    return found


@click.command("gateway", short_help="serve a simulated market to any TWS client")
@click.option(
    "--port",
    type=WholeNumber(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--allow-tws-port", is_flag=True, help="Let the simulator take a port of the real TWS or gateway.")
@click.option("--date", "day", type=DAY, metavar="DAY", help="First session (default: today's, or the next).")
@click.option(
    "--days",
    type=WholeNumber(1, 500),
    default=1,
    show_default=True,
    help="Sessions to live through; nights are jumped.",
)
@click.option(
    "--speed",
    metavar="X|max",
    callback=_speed,
    default="1",
    show_default=True,
    help="Simulated seconds a second; max goes as fast as the clients that hold the clock.",
)
@click.option(
    "--seed",
    type=SEED,
    default=1,
    show_default=True,
    help="The same seed gives the same market and fills.",
)
@click.option(
    "--market", metavar="FILE", help="Scenario (.yaml), minute bars (.csv), or the name of a scenario that is shipped."
)
@click.option(
    "--recording",
    metavar="DAY|FILE",
    help="Serve the market of a recorded day instead: a .tape file, or a day of the recordings beside --store.",
)
@click.option(
    "--chain",
    "chains",
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
@click.option("--cash", type=Number(0), default=1_000_000, show_default=True, help="Cash at the start, dollars.")
@click.option(
    "--account",
    metavar="ID",
    multiple=True,
    help="The account's id (default: DU and the seed). With U1234567 it plays a live account, still simulated. Given "
    "again: further accounts behind the same login, each with its own cash.",
)
@click.option(
    "--positions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Positions and resting orders at the start, JSON.",
)
@shares_option
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What goes wrong, and when: a fault plan, YAML or JSON (docs/faults.md).",
)
@click.option(
    "--data-seconds",
    type=WholeNumber(1),
    default=5,
    show_default=True,
    help="Simulated seconds between moves of the market.",
)
@click.option(
    "--fence-seconds",
    type=WholeNumber(1),
    default=1,
    show_default=True,
    help="Simulated seconds between fences of the lockstep clock.",
)
@click.option(
    "--holders",
    type=WholeNumber(0),
    default=0,
    show_default=True,
    help="Let time begin when so many +LOCKSTEP clients have asked for it.",
)
@click.option(
    "--write-ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append this run's ledger to a file, for --ledger.",
)
@click.option(
    "--ledger",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Print the ledger of a run and exit; goes with no other option but --flex.",
)
@click.option(
    "--flex",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --ledger: write it as the broker's statement (Flex XML), for store tie.",
)
@click.pass_context
def gateway(
    ctx: click.Context,
    port: int,
    allow_tws_port: bool,
    day: date | None,
    days: int,
    speed: float | None,
    seed: int,
    market: str | None,
    recording: str | None,
    chains: tuple[Path, ...],
    store: Place | None,
    cash: float,
    account: tuple[str, ...],
    positions: Path | None,
    shares: tuple[tuple[str, int], ...] | None,
    faults: Path | None,
    data_seconds: int,
    fence_seconds: int,
    holders: int,
    write_ledger: Path | None,
    ledger: Path | None,
    flex: Path | None,
) -> None:
    """Serve a SIMULATED market, broker and account to any client of the TWS API, on this machine only.

    Nothing here is real: no order leaves this computer. A client that connects with the option +LOCKSTEP
    holds the virtual clock; docs/gateway.md has the rules.
    """
    check_output("--flex", flex, XML)
    check_output("--write-ledger", write_ledger, LEDGER)
    if ledger is not None:
        _print_ledger(ctx, ledger, flex)
        return
    if flex is not None:
        raise click.UsageError("--flex writes a ledger as a statement; say which one with --ledger")
    if port in TWS_PORTS and not allow_tws_port:
        raise click.UsageError(f"port {port} belongs to the real TWS or gateway; say --allow-tws-port to take it")
    from decimal import Decimal

    from twsim.gateway.hub import GatewaySettings

    given = _given(ctx, data_seconds)
    if given is not None and not is_explicit("cash"):
        cash = float(given.cash or cash)
    try:
        settings = GatewaySettings(
            first_day=given.market.day if given is not None else day or _today(),
            days=days,
            port=port,
            seed=seed,
            speed=speed,
            data_seconds=data_seconds,
            fence_seconds=fence_seconds,
            holders=holders,
            cash=Decimal(str(cash)),
            account=account[0] if account else given.account if given is not None else "",
            more_accounts=account[1:],
            market_file=market,
            positions_file=positions,
            shares=shares or (),
            store_file=write_ledger,
            faults_file=faults,
        )
    except ValueError as problem:
        raise click.UsageError(str(problem)) from problem
    serve(ctx, settings, given)


def _given(ctx: click.Context, data_seconds: int) -> "CapturedMarket | None":
    """Return the market that is given instead of the model, if one is. Raises: RulebotError."""
    recording, chains, store = (ctx.params[name] for name in ("recording", "chains", "store"))
    if store is not None and recording is None:
        raise MisuseError("--store says whose recordings are meant: add --recording")
    if recording is None and not chains:
        return None
    flag = "--chain" if chains else "--recording"
    if recording is not None and chains:
        raise MisuseError("--recording and --chain are two markets: leave one out")
    for name in ("day", "days", "market"):
        if is_explicit(name):
            other = "date" if name == "day" else name
            raise MisuseError(f"{flag} is the market of its own day: leave --{other} out")
    from rulebot.capture.captured import captured, recorded

    return captured(chains) if chains else recorded(recording, store, data_seconds)


def _today() -> date:
    """Return the session of today in New York, or the next one."""
    from rulebot.model.session import EXCHANGE_ZONE, session_from

    return session_from(datetime.now(EXCHANGE_ZONE).date()).date


def _print_ledger(ctx: click.Context, path: Path, flex: Path | None) -> None:
    others = [name for name in ctx.params if name not in ("ledger", "flex")]
    given = [name for name in others if is_explicit(name)]
    if given:
        flag = "--" + given[0].replace("_", "-")
        raise click.UsageError(
            f"--ledger prints a ledger and goes with no other option, is with {flag}; "
            "a run writes one with --write-ledger"
        )
    from twsim.exchange.flex import flex_statement
    from twsim.exchange.ledger import LedgerError, read_ledger, summary

    try:
        rows = read_ledger(path)
        told = summary(rows) if flex is None else flex_statement(rows)
    except LedgerError as problem:
        print_text(f"error: {problem}", err=True)
        ctx.exit(1)
    except (LookupError, ValueError, ArithmeticError):
        print_text(f"error: {path} is no ledger: a row lacks what its kind has, or has it in another form", err=True)
        ctx.exit(1)
    except OSError as problem:
        print_text(f"error: {path} cannot be read: {problem.strerror}", err=True)
        ctx.exit(3)
    if flex is None:
        print_text(f"SIMULATED: ledger {path}\n")
        print_text(told, nl=False)
        return
    from rulebot.spec.files import write_whole

    try:
        write_whole(flex, told.encode())
    except OSError as problem:
        print_text(f"error: {flex} cannot be written: {problem.strerror}", err=True)
        ctx.exit(3)
    print_text(f"SIMULATED: statement {flex}")


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


# --- Serving


def serve(ctx: click.Context, settings: "GatewaySettings", given: "CapturedMarket | None" = None) -> None:
    """Serve until somebody stops it; `given` is the market instead of the model."""
    import logging

    from rulebot.model.session import CalendarError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(settings, given))
    except KeyboardInterrupt:
        print_text("stopped")
    except (ValueError, CalendarError) as problem:
        print_text(f"error: {problem}", err=True)
        ctx.exit(2)
    except OSError as problem:
        print_text(f"error: {_plainly(settings, problem)}", err=True)
        ctx.exit(3)


def _plainly(settings: "GatewaySettings", problem: OSError) -> str:
    import errno

    if problem.errno == errno.EADDRINUSE:
        return f"port {settings.port} on 127.0.0.1 is in use; choose another with --port"
    return f"cannot listen on port {settings.port}: {problem.strerror}"


async def _serve(settings: "GatewaySettings", given: "CapturedMarket | None") -> None:
    import signal

    from twsim.market.replayed_market import ReplayedMarket
    from twsim.start_gateway import start_gateway

    running = await start_gateway(settings, market=None if given is None else ReplayedMarket(given.market))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(each, stopped.set)
        except (NotImplementedError, RuntimeError):
            break  # this system, or this thread, delivers interrupts by exception
    print_text(_banner(settings, running))
    if given is not None:
        print_text(f"SIMULATED market: {given.about}")
    print_text(_next(running))
    ends = {asyncio.ensure_future(stopped.wait()), asyncio.ensure_future(running.failure())}
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for each_end in done:
            each_end.result()
    finally:
        for end in ends:
            end.cancel()
        await running.stop()
        print_text(_farewell(running))


def _banner(settings: "GatewaySettings", running: "RunningGateway") -> str:
    pace = "as fast as its clients" if settings.speed is None else f"{settings.speed:g} times real time"
    length = counted(settings.days, "session")
    first = running.gateway.hub.timeline.sessions[0].date
    return (
        f"SIMULATED TWS gateway on 127.0.0.1:{running.port} - no real market, no real money\n"
        f"SIMULATED {_accounts(running)}, {length} from {first}, {pace}, seed {settings.seed}"
    )


def _next(running: "RunningGateway") -> str:
    from rulebot.adapters.ib.connection_errors import is_paper

    mode = "--paper --sim" if is_paper(running.gateway.hub.brokers[0].account) else "--live"
    return f"next: rulebot run {mode} --gateway 127.0.0.1:{running.port} SPECS, or any other TWS client; Ctrl+C ends it"


def _accounts(running: "RunningGateway") -> str:
    names = [each.account for each in running.gateway.hub.brokers]
    return f"account{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _farewell(running: "RunningGateway") -> str:
    done = running.statistics
    return f"SIMULATED gateway stopped: {done.messages} messages, {done.fences} fences"
