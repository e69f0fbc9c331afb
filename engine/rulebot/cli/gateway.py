"""`rulebot gateway`: a simulated TWS gateway on this machine, for any TWS client; or the ledger of a run of it."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rulebot.cli.clock import DAY
from rulebot.cli.numbers import SEED, Number, WholeNumber
from rulebot.cli.outputs import LEDGER, XML, check_output
from rulebot.cli.say import print_text
from rulebot.cli.shares import shares_option
from rulebot.cli.stores import STORE
from rulebot.cli.typed import is_explicit
from rulebot.model.errors import MisuseError
from rulebot.store.place import Place
from twsim.gateway.settings import DEFAULT_PORT, TWS_PORTS

if TYPE_CHECKING:
    from rulebot.capture.market import CapturedMarket


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

    from rulebot.cli.gateway_serving import serve
    from twsim.gateway.settings import GatewaySettings

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
    from rulebot.capture.market import captured, recorded

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
    from rulebot.spec.whole_file import write_whole

    try:
        write_whole(flex, told.encode())
    except OSError as problem:
        print_text(f"error: {flex} cannot be written: {problem.strerror}", err=True)
        ctx.exit(3)
    print_text(f"SIMULATED: statement {flex}")
