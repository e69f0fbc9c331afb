"""The command of the gateway: its options, its settings, and what it does until it is interrupted.

`python -m twsim` and `rulebot gateway` are both made of it.
"""

import asyncio
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from twsim.exchange.flex import flex_statement
from twsim.exchange.ledger import LedgerError, ledger_summary, read_ledger
from twsim.gateway.hub import DEFAULT_PORT, TWS_PORTS, GatewaySettings
from twsim.launch import RunningGateway, start_gateway
from twsim.nouns import dataclass
from twsim.seams import Market
from twsim.sessions import EXCHANGE_ZONE, session_from

# --- Options


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOption:
    """One option. kind: the type of its value. least, most: the bounds of a number. exists: the file must be there."""

    flag: str
    help: str
    kind: type | Callable[[str], Any] = str
    default: Any = None
    metavar: str | None = None
    least: int = 0
    most: int | None = None
    exists: bool = False
    many: bool = False

    @property
    def name(self) -> str:
        """Its key among the values that were given."""
        return self.flag[2:].replace("-", "_")


def speed_of(text: str) -> float | None:
    """Return simulated seconds a second; None is `max`. Raises: ValueError."""
    if text == "max":
        return None
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise ValueError(f"a speed is a number above 0, or max; is {text!r}")
    return found


GATEWAY_OPTIONS = (
    GatewayOption(
        flag="--port", kind=int, default=DEFAULT_PORT, most=65535, help="Port on 127.0.0.1; 0 takes a free one."
    ),
    GatewayOption(flag="--allow-tws-port", kind=bool, help="Let the simulator take a port of the real TWS or gateway."),
    GatewayOption(flag="--date", kind=date, metavar="DAY", help="First session (default: today's, or the next)."),
    GatewayOption(
        flag="--days", kind=int, default=1, least=1, most=500, help="Sessions to simulate; nights are skipped."
    ),
    GatewayOption(
        flag="--speed",
        kind=speed_of,
        default="1",
        metavar="X|max",
        help="Simulated seconds a second; max goes as fast as the clients that hold the clock.",
    ),
    GatewayOption(
        flag="--seed", kind=int, default=1, most=2**63 - 1, help="The same seed gives the same market and fills."
    ),
    GatewayOption(
        flag="--market",
        metavar="FILE",
        help="Scenario (.yaml), minute bars (.csv), or the name of a scenario that is shipped.",
    ),
    GatewayOption(flag="--cash", kind=float, default=1_000_000, help="Cash at the start, dollars."),
    GatewayOption(
        flag="--account",
        metavar="ID",
        many=True,
        help="The account's id (default: DU and the seed). With U1234567 it plays a live account, still simulated. "
        "Given again: further accounts behind the same login, each with its own cash.",
    ),
    GatewayOption(flag="--positions", kind=Path, exists=True, help="Positions and resting orders at the start, JSON."),
    GatewayOption(
        flag="--shares",
        metavar="SYMBOL=COUNT",
        many=True,
        help="Shares the simulated account starts with, at the previous close, as SPY=1000.",
    ),
    GatewayOption(
        flag="--faults",
        kind=Path,
        exists=True,
        help="What goes wrong, and when: a fault plan, YAML or JSON (docs/faults.md).",
    ),
    GatewayOption(
        flag="--data-seconds", kind=int, default=5, least=1, help="Simulated seconds between moves of the market."
    ),
    GatewayOption(
        flag="--fence-seconds",
        kind=int,
        default=1,
        least=1,
        help="Simulated seconds between fences of the lockstep clock.",
    ),
    GatewayOption(
        flag="--holders", kind=int, default=0, help="Start time when this many +LOCKSTEP clients have asked for it."
    ),
    GatewayOption(flag="--write-ledger", kind=Path, help="Append this run's ledger to a file, for --ledger."),
    GatewayOption(
        flag="--ledger",
        kind=Path,
        exists=True,
        help="Print the ledger of a run and exit; goes with no other option but --flex.",
    ),
    GatewayOption(
        flag="--flex",
        kind=Path,
        metavar="FILE",
        help="With --ledger: write it as the broker's statement (Flex XML), for store tie.",
    ),
)


def check_alone(given: Mapping[str, Any]) -> None:
    """Refuse options beside --ledger, and --flex without it. given: by name. Raises: ValueError."""
    if "ledger" not in given and "flex" in given:
        raise ValueError("--flex writes a ledger as a statement; say which one with --ledger")
    others = [name for name in given if name not in ("ledger", "flex")]
    if "ledger" in given and others:
        flag = "--" + others[0].replace("_", "-")
        raise ValueError(
            f"--ledger prints a ledger and goes with no other option, is with {flag}; "
            "a run writes one with --write-ledger"
        )


def gateway_settings(options: Mapping[str, Any]) -> GatewaySettings:
    """Return the settings of a run from the values of GATEWAY_OPTIONS by name. Raises: ValueError."""
    if options["port"] in TWS_PORTS and not options["allow_tws_port"]:
        raise ValueError(f"port {options['port']} belongs to the real TWS or gateway; say --allow-tws-port to take it")
    accounts, shares = tuple(options["account"] or ()), tuple(options["shares"] or ())
    if len({symbol for symbol, _ in shares}) < len(shares):
        raise ValueError("the shares of a symbol are given twice")
    return GatewaySettings(
        first_day=options["date"] or session_from(datetime.now(EXCHANGE_ZONE).date()).date,
        days=options["days"],
        port=options["port"],
        seed=options["seed"],
        speed=options["speed"],
        data_seconds=options["data_seconds"],
        fence_seconds=options["fence_seconds"],
        holders=options["holders"],
        cash=Decimal(str(options["cash"])),
        account=accounts[0] if accounts else "",
        more_accounts=accounts[1:],
        market_file=options["market"],
        positions_file=options["positions"],
        shares=shares,
        store_file=options["write_ledger"],
        faults_file=options["faults"],
    )


# --- Serve


def serve(
    settings: GatewaySettings,
    market: Market | None = None,
    *,
    about: str = "",
    hint: Callable[[RunningGateway], str] | None = None,
) -> int:
    """Serve until an interrupt and return the exit code: 0, 2 for files that cannot be used, 3 for a port in use.

    about: says what market it is instead of the model. hint: returns the line that says what to do next.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(settings, market, about, hint or _connect))
    except KeyboardInterrupt:
        _say("stopped")
    except ValueError as problem:
        return _fail(2, str(problem))
    except OSError as problem:
        return _fail(3, _in_words(settings, problem))
    return 0


async def _serve(
    settings: GatewaySettings, market: Market | None, about: str, hint: Callable[[RunningGateway], str]
) -> None:
    running = await start_gateway(settings, market=market)
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(each, stopped.set)
        except (NotImplementedError, RuntimeError):
            break  # this system, or this thread, delivers interrupts by exception
    _say(_banner(settings, running))
    if about:
        _say(f"SIMULATED market: {about}")
    _say(hint(running))
    ends = {asyncio.ensure_future(stopped.wait()), asyncio.ensure_future(running.failure())}
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for each_end in done:
            each_end.result()
    finally:
        for end in ends:
            end.cancel()
        await running.stop()
        traffic = running.statistics
        _say(f"SIMULATED gateway stopped: {traffic.messages} messages, {traffic.fences} fences")


def _banner(settings: GatewaySettings, running: RunningGateway) -> str:
    pace = "as fast as its clients" if settings.speed is None else f"{settings.speed:g} times real time"
    length = f"{settings.days} session{'' if settings.days == 1 else 's'}"
    names = [each.account for each in running.gateway.hub.brokers]
    return (
        f"SIMULATED TWS gateway on 127.0.0.1:{running.port} - no real market, no real money\n"
        f"SIMULATED account{'' if len(names) == 1 else 's'} {', '.join(names)}, {length} from "
        f"{running.gateway.hub.timeline.sessions[0].date}, {pace}, seed {settings.seed}"
    )


def _connect(running: RunningGateway) -> str:
    return f"next: connect any TWS client to 127.0.0.1:{running.port}; Ctrl+C ends it"


def _in_words(settings: GatewaySettings, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return f"port {settings.port} on 127.0.0.1 is in use; choose another with --port"
    return f"cannot listen on port {settings.port}: {problem.strerror}"


def _say(text: str, *, to_errors: bool = False) -> None:
    """Write a line at once; a sign that would steer a terminal is shown as a replacement character."""
    harmless = "".join(each if each == "\n" or each.isprintable() else "\ufffd" for each in text)
    print(harmless, file=sys.stderr if to_errors else sys.stdout, flush=True)


def _fail(code: int, words: str) -> int:
    _say(f"error: {words}", to_errors=True)
    return code


# --- Print a ledger


def show_ledger(path: Path, flex: Path | None = None) -> int:
    """Print a ledger, or write it as a Flex statement, and return the exit code: 0, 1 for no ledger, 3 for a file."""
    try:
        rows = read_ledger(path)
        text = ledger_summary(rows) if flex is None else flex_statement(rows)
    except LedgerError as problem:
        return _fail(1, str(problem))
    except (LookupError, ValueError, ArithmeticError):
        return _fail(1, f"{path} is no ledger: a row lacks what its kind has, or has it in another form")
    except OSError as problem:
        return _fail(3, f"{path} cannot be read: {problem.strerror}")
    if flex is None:
        _say(f"SIMULATED: ledger {path}\n\n{text.rstrip()}")
        return 0
    try:
        _replace(flex, text.encode())
    except OSError as problem:
        return _fail(3, f"{flex} cannot be written: {problem.strerror}")
    _say(f"SIMULATED: statement {flex}")
    return 0


def _replace(file: Path, content: bytes) -> None:
    """Write a file as a whole: a reader finds the old one or the new one."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
