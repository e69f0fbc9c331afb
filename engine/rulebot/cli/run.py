"""`rulebot run`: the bots of some specs, on paper or live, against a broker's gateway or the simulated one."""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import (
    ACCOUNT,
    DAY,
    SEED,
    SPECS,
    WholeNumber,
    first_session,
    gateway_option,
    set_option,
    settings_option,
)
from rulebot.cli.output import print_text
from rulebot.cli.past_options import LEDGER, check_output, shares_option
from rulebot.cli.run_modes import check_store, observed_world
from rulebot.cli.signals import StopSignals
from rulebot.cli.store_options import STORE, is_written
from rulebot.model.errors import MisuseError, RulebotError
from rulebot.store.place import Place, beside

if TYPE_CHECKING:
    from rulebot.chaos.crash_points import CrashPoint
    from rulebot.cli.run_modes import Shadow
    from rulebot.cli.terminal.screen import Screen
    from rulebot.cli.web import EmbeddedPage
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.live.environments import World
    from rulebot.live.start import Run, RunOptions
    from rulebot.process.service import Heartbeat
    from rulebot.process.settings import Settings
    from rulebot.store.journal import SqlJournal


@click.command()
@click.argument("specs", nargs=-1, required=True, type=SPECS)
@click.option("--paper", is_flag=True, help="Trade a paper account (refuses any other): the default.")
@click.option("--live", is_flag=True, help="Trade real money, with promoted bots only (docs/live.md).")
@click.option(
    "--observe", is_flag=True, help="Send nothing: decide, and follow what would have been (docs/observe.md)."
)
@click.option(
    "--shadow",
    "shadows",
    multiple=True,
    metavar="SPEC",
    type=SPECS,
    help="A new version of a bot that decides on the same data and sends nothing (docs/observe.md).",
)
@click.option(
    "--fills",
    metavar="MODEL",
    help="With --observe, --shadow: natural (default), mid, or mid+0.3 (a part of the width).",
)
@click.option("--yes-i-mean", metavar="ACCOUNT", help="Confirm the account of --live without a terminal.")
@click.option("--sim", is_flag=True, help="Trade a simulated market: nothing else is needed.")
@gateway_option
@click.option(
    "--port",
    "gateway_port",
    type=WholeNumber(1, 65535),
    metavar="N",
    help="The port of the gateway, without its host: that of the settings, or this machine.",
)
@click.option("--client-id", type=WholeNumber(0, 2**31 - 1), help="The API client id (default 1).", metavar="N")
@ACCOUNT
@click.option(
    "--store",
    type=STORE,
    metavar="STORE",
    help="The store to write: a file or a postgresql:// URL (default: one for each --sim run).",
)
@click.option("--logs", type=click.Path(path_type=Path), help="The folder of the JSON Lines logs.")
@settings_option
@click.option("--seed", type=SEED, metavar="N", help="The simulated market's seed (default 7).")
@click.option(
    "--date",
    "day",
    type=DAY,
    metavar="DAY",
    help="The simulated market's first day, as 2026-10-21.",
)
@click.option("--days", type=WholeNumber(1), metavar="N", help="Sessions to run (default: 1 with --sim).")
@click.option("--market", metavar="FILE", help="A scenario for the simulated market, by name or file, or minute bars.")
@click.option(
    "--recording",
    metavar="FILE",
    help="Trade the market of a recorded day (docs/recordings.md), or a day of the last run's recordings.",
)
@click.option("--positions", type=click.Path(path_type=Path), help="Positions the simulated account starts with.")
@shares_option
@click.option("--ledger", type=click.Path(path_type=Path), help="Where the simulated broker writes its own ledger.")
@click.option("--speed", metavar="X", help="Simulated seconds in a second, or max (default max).")
@click.option(
    "--until",
    type=click.Choice(["close"]),
    help="End after this session, or the next where it is over, instead of going on.",
)
@click.option("--exits-only", is_flag=True, help="Enter nothing: watch the exits of what is open in the store.")
@click.option(
    "--wait-for-gateway",
    is_flag=True,
    help="Wait as long as no gateway lets us in, as a service does (docs/service.md).",
)
@click.option("--no-tape", is_flag=True, help="Keep no recording for 'rulebot replay'.")
@click.option(
    "--drift/--no-drift",
    default=None,
    help="After the close compare what was done with what the specs say (default: yes; with --sim no).",
)
@click.option("--plain", is_flag=True, help="Plain lines instead of the table, as in a pipe.")
@set_option
def run(**options: Any) -> None:
    """Run the bots of SPECS (files, folders) until Ctrl+C, the close, or the end of the simulated days.

    A terminal shows a table of what each bot does and waits for; a pipe gets a line for each event. The end shows what
    every bot did and why, or what came nearest.

    Ctrl+C ends the run: working entries are cancelled, exits stay at the broker, everything is kept. The next start
    with the same --store continues. A second Ctrl+C does not wait for the broker's answers. Ctrl+Z does nothing: no
    exit would be watched meanwhile.

    --exits-only enters nothing: open positions of the store are watched, each under the spec that opened it.

    --observe sends nothing, on any account: everything is judged, would-be entries are recorded with their prices, and
    followed with model fills in a separate store.

    --shadow decides a new version of a bot on the same connection, and sends nothing of it either; 'rulebot summary
    --compare' shows the differences.

    --live trades real money: each bot must be promoted ('rulebot promote'), the account named in the account document
    and offered by the gateway, and a person must type its id. Everything missing is listed at once.

    Exit code: 0 when the run ended as planned, 1 for problems in SPECS or a refused --live, 2 for misuse, 3 when the
    gateway or the disk failed.
    """
    run_with(options)


def run_with(options: dict[str, Any], page: "EmbeddedPage | None" = None) -> None:
    """Run with the options of `run`, and a page beside the screen. Raises: MisuseError, and the errors of a run."""

    check_together(options)
    check_output("--ledger", options["ledger"], LEDGER)
    options = {**options, "paper": not options["live"] and not options["observe"]}
    if options["sim"] and options.get("gateway_port") is not None:
        options["address"] = f"127.0.0.1:{options['gateway_port']}"
    from rulebot.cli.validate import parse_settings, show_problems
    from rulebot.documents.load_bots import NO_BOTS, ProblemsError, is_named, load_all_bots, parameters_of
    from rulebot.process.service import Heartbeat, Systemd
    from rulebot.replay.recordings import tapes_of
    from rulebot.store.place import data_folder, hook_secret

    overrides = {**parameters_of(os.environ), **parse_settings(options["overrides"])}
    paths = options["specs"]
    there = [path for path in paths if is_named(path)]
    try:
        desk = load_all_bots(there, overrides, options["account"]) if there else NO_BOTS
        beside_it = load_all_bots(options["shadows"], overrides, options["account"]) if options["shadows"] else None
    except ProblemsError as error:
        show_problems(error.found, "text", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    settings = _settings(options, desk, desk.files or paths)
    desk = _desk_of_run(options, desk, paths, [path for path in paths if path not in there], settings, overrides)
    struck = _struck(options)
    heartbeat = Heartbeat(Systemd()) if page is None else page.heartbeat
    world, run_options = _world(options, desk, settings, heartbeat, page)
    run_options = replace(
        run_options,
        heartbeat=heartbeat,
        waits_for_gateway=options["wait_for_gateway"],
        tapes=None if options["no_tape"] else tapes_of(run_options.store),
        takes_hooks=bool(hook_secret(data_folder())[0]),
        compares=_compares(options),
    )
    shadow = None
    if beside_it is not None:
        from rulebot.cli.run_modes import Shadow

        shadow = Shadow(beside_it, desk, run_options, options["fills"])
        world = shadow.beside(world)
    drive(desk, run_options, world, plain=options["plain"], struck=struck, page=page, shadow=shadow)


def _desk_of_run(
    options: Mapping[str, Any],
    desk: "LoadedBots",
    paths: Sequence[str],
    gone: Sequence[str],
    settings: "Settings",
    overrides: Mapping[str, str],
) -> "LoadedBots":
    """Return the bots that a run enters with: without those of specs that are gone, with edits kept in its store."""
    from rulebot.documents.load_bots import NO_BOTS, check_live_data, check_overrides, with_kept_overrides
    from rulebot.live.environments import check_sim_symbols
    from rulebot.live.start import without_removed

    store = _meant_store(options, settings)
    if gone and options["exits_only"]:
        print_text(f"{', '.join(gone)}: not there; what is open is watched under the texts that opened it", err=True)
    elif gone:
        desk = without_removed(desk, paths, gone, store)
    check_overrides(desk, overrides)
    if options["live"]:
        check_live_data(desk)
    if options["exits_only"]:
        desk = replace(NO_BOTS, account=desk.account, account_text=desk.account_text)
    elif store is not None:
        desk = with_kept_overrides(desk, store)
    if options["sim"] and not options["address"] and options["recording"] is None:
        check_sim_symbols(desk.bots.values())
    return desk


def drive(
    desk: "LoadedBots",
    options: "RunOptions",
    world: "AbstractAsyncContextManager[World]",
    *,
    plain: bool = False,
    struck: "CrashPoint | None" = None,
    page: "EmbeddedPage | None" = None,
    shadow: "Shadow | None" = None,
) -> None:
    """Run an engine in this process until it ends, shown on the terminal and written to its log."""
    from rulebot.cli.terminal.screen import Screen, begin_log

    screen = Screen(desk, options, plain=plain, page=page)
    begin_log(screen, options)
    asyncio.run(_run(desk, options, world, screen, struck, shadow))


def _struck(options: Mapping[str, Any]) -> "CrashPoint | None":
    """Return what ends this process at the point that the environment names, if it does. Raises: MisuseError."""
    words = os.environ.get("RULEBOT_CRASH")
    if not words:
        return None
    if not options["sim"]:
        raise MisuseError("RULEBOT_CRASH ends an engine in its work: a simulated market alone takes that", "add --sim")
    from rulebot.chaos.crash_points import CrashPoint

    return CrashPoint(words)


def _compares(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the command that compares a recorded day with its specs, none where it is not asked for."""
    wanted = not options["sim"] if options["drift"] is None else options["drift"]
    return (sys.executable, "-m", "rulebot.cli.main", "replay") if wanted and not options["no_tape"] else ()


def _settings(options: Mapping[str, Any], desk: "LoadedBots", specs: Sequence[str | Path]) -> "Settings":
    from rulebot.process.settings import folder_of, read_settings
    from rulebot.store.place import data_folder

    host, port = gateway_address(options["address"])
    port = options.get("gateway_port") if port is None else port
    is_live = options["live"]
    store = "live_store" if is_live else "observe_store" if options["observe"] else "store"
    flags = {
        "host": host,
        "live_port" if is_live else "port": port,
        "client_id": options["client_id"],
        store: options["store"],
        "logs": options["logs"],
        "account": (desk.account.account or None) if desk.account is not None and options["paper"] else None,
    }
    folder = folder_of(options["settings"], specs)
    return read_settings(options["settings"], folder, data_folder(), flags=flags)


def _meant_store(options: Mapping[str, Any], settings: "Settings") -> Place | None:
    """Return the store that a run continues, None when it makes a new one."""
    if options["live"]:
        return settings.live_store
    store: Place | None = options["store"]
    if options["sim"]:
        return store
    return settings.observe_store if options["observe"] else settings.store


def _world(
    options: Mapping[str, Any],
    desk: "LoadedBots",
    settings: "Settings",
    heartbeat: "Heartbeat",
    page: "EmbeddedPage | None",
) -> "tuple[AbstractAsyncContextManager[World], RunOptions]":
    from rulebot.store.registry import is_there

    sessions = options["days"] or (1 if options["sim"] or options["until"] else None)
    waiting = heartbeat.waits if options["wait_for_gateway"] else None
    if options["live"]:
        from rulebot.cli.run_modes import live_world

        if waiting is not None and page is not None and is_there(settings.live_store):
            page.opened(settings.live_store)
        return live_world(desk, settings, sessions, options, heartbeat)
    if options["observe"]:
        return observed_world(*_paper_world(options, settings, waiting, sessions), options["fills"])
    return _paper_world(options, settings, waiting, sessions)


def _paper_world(
    options: Mapping[str, Any], settings: "Settings", waiting: "Callable[[str], None] | None", sessions: int | None
) -> "tuple[AbstractAsyncContextManager[World], RunOptions]":
    """Return the world of a paper account or a simulated market; where a run observes, nothing can be sent in it."""
    observes, client_id = options["observe"], settings.client_id
    if observes and options["client_id"] is None:
        client_id += 1  # the engine that trades has the other one
    if not options["sim"]:
        return _paper_account(options, settings, waiting, sessions, client_id)
    return _simulated_market(options, settings, waiting, sessions, client_id)


def _paper_account(
    options: Mapping[str, Any],
    settings: "Settings",
    waiting: "Callable[[str], None] | None",
    sessions: int | None,
    client_id: int,
) -> "tuple[AbstractAsyncContextManager[World], RunOptions]":
    from rulebot.live.environments import attached
    from rulebot.live.start import RunOptions
    from rulebot.store.place import accounts_folder

    observes = options["observe"]
    store, logs = settings.store, settings.logs
    if observes:  # fills of a model are not mixed with trades
        store, logs = settings.observe_store, options["logs"] or logs.with_name(f"{logs.name}-observe")
    check_store(store, observes=observes)
    where = attached(
        settings.host,
        settings.port,
        client_id,
        settings.account,
        lockstep=False,
        sends_orders=not observes,
        share=settings.share,
        waiting=waiting,
    )
    said = {
        "mode": "paper",
        "gateway": f"{settings.host}:{settings.port or '4002 or 7497'}",
        "client_id": client_id,
        "exits_only": options["exits_only"],
    }
    return where, RunOptions(
        store=store,
        logs=logs,
        sessions=sessions,
        line_limit=settings.lines,
        settings=said,
        accounts=accounts_folder(),
        log=settings.log_limits,
        patience=settings.patience,
    )


def _simulated_market(
    options: Mapping[str, Any],
    settings: "Settings",
    waiting: "Callable[[str], None] | None",
    sessions: int | None,
    client_id: int,
) -> "tuple[AbstractAsyncContextManager[World], RunOptions]":
    """Return the world of a simulated gateway: a running one, or one of this process."""
    from rulebot.capture.captured import recorded
    from rulebot.live.environments import DEFAULT_DATE, DEFAULT_SEED, SimSettings, simulated
    from rulebot.live.start import RunOptions
    from rulebot.store.place import data_folder, new_sim_store
    from rulebot.store.registry import is_in_use

    port = gateway_address(options["address"])[1]
    observes = options["observe"]
    seed = DEFAULT_SEED if options["seed"] is None else options["seed"]
    given = None if options["recording"] is None or options["address"] else recorded(options["recording"]).market
    day: date = given.day if given is not None else first_session(options["day"] or DEFAULT_DATE)
    store = options["store"] or new_sim_store(f"gateway-{port}" if options["address"] else f"{day}-{seed}")
    check_store(store, observes=observes)
    run_options = RunOptions(
        store=store,
        logs=options["logs"] or beside(store, data_folder(), "-logs"),
        sessions=sessions,
        line_limit=settings.lines,
        log=settings.log_limits,
    )
    said: dict[str, Any] = {"mode": "paper", "sim": True}
    if options["address"]:
        said |= {"gateway": options["address"], "client_id": client_id, "exits_only": options["exits_only"]}
        return _standing_gateway(options, settings, waiting, client_id), replace(run_options, settings=said)
    if is_written(store) and not is_in_use(store):
        raise MisuseError(
            f"{store} holds an earlier run, and the account of a new --sim run knows nothing of it",
            "omit --store, or start 'rulebot gateway' and attach to it with --gateway",
        )
    sim = SimSettings(
        first_day=day,
        days=sessions or 1,
        seed=seed,
        speed=_speed(options["speed"]),
        market=options["market"],
        positions=options["positions"],
        shares=options["shares"] or (),
        ledger=options["ledger"],
        given=given,
        sends_orders=not observes,
        share=settings.share,
    )
    said |= {"seed": seed, "date": day.isoformat(), "market": options["market"]}
    if given is not None:
        said["recording"] = options["recording"]
    return simulated(sim, client_id), replace(run_options, install=f"s{seed}", settings=said)


def _standing_gateway(
    options: Mapping[str, Any], settings: "Settings", waiting: "Callable[[str], None] | None", client_id: int
) -> "AbstractAsyncContextManager[World]":
    """Return the world of a running simulated gateway."""
    from rulebot.live.environments import attached

    host, port = gateway_address(options["address"])
    return attached(
        host or "127.0.0.1",
        port or 0,
        client_id,
        "",
        lockstep=True,
        among=settings.account,
        sends_orders=not options["observe"],
        share=settings.share,
        waiting=waiting,
    )


def gateway_address(text: str | None) -> tuple[str | None, int | None]:
    """Return host and port of `--gateway`, None for what it does not say. Raises: MisuseError."""
    if text is None:
        return None, None
    host, _, port = text.rpartition(":")
    if not host or re.fullmatch(r"[0-9]{1,5}", port) is None or not 0 < int(port) < 65536:
        raise MisuseError(f"--gateway is HOST:PORT, is '{text}'", "for example 127.0.0.1:4002")
    return host, int(port)


def _speed(text: str | None) -> float | None:
    if text is None or text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise MisuseError(f"--speed is a number above 0, or max, is '{text}'")
    return speed


async def _run(
    desk: "LoadedBots",
    options: "RunOptions",
    world: "AbstractAsyncContextManager[World]",
    screen: "Screen",
    struck: "CrashPoint | None",
    shadow: "Shadow | None",
) -> None:
    from rulebot.live.start import execute, open_journal
    from rulebot.store.registry import remember_engine

    stopper = StopSignals(screen)
    stopper.listen()

    def opens(options: "RunOptions") -> "SqlJournal":
        journal = open_journal(options) if struck is None else struck.journal(options)
        if options.waits_for_gateway:
            remember_engine(options.store)
        try:
            screen.opened()
        except RulebotError:
            journal.close()
            raise
        stopper.heed(options.store)
        return journal

    def started(run: "Run") -> None:
        remember_engine(options.store)
        screen.started(run)
        stopper.watch(run)
        if shadow is not None:
            shadow.start(run, screen)
        if struck is not None:
            struck.attend(run)

    try:
        await execute(desk, options, world, started, screen.show, opens)
    except asyncio.CancelledError:
        if not stopper.was_asked:
            raise
    finally:
        if shadow is not None:
            await shadow.end()
        screen.close()
        if stopper.run is not None:
            screen.report(stopper.run, None if shadow is None else shadow.report)


# --- Which options of `rulebot run` do not go together

_OF_THE_MARKET = ("seed", "day", "market", "recording", "positions", "shares", "ledger", "speed")


def _flag(name: str) -> str:
    return "date" if name == "day" else name


def check_together(options: Mapping[str, Any]) -> None:
    """Refuse what does not go together. Raises: MisuseError."""
    for applies, words, hint in _APART:
        if applies(options):
            raise MisuseError(words, hint)
    if not options["sim"]:
        _refuse_any(options, _OF_THE_MARKET, "is for the simulated market: add --sim")
    elif _attaches(options):
        _refuse_any(options, _OF_THE_MARKET, "is the gateway's own: give it to 'rulebot gateway'")
    if options["recording"] is not None:
        for name in ("day", "days", "market"):
            if options[name] is not None:
                raise MisuseError(f"--recording has the market of its own day: omit --{_flag(name)}")


def _refuse_any(options: Mapping[str, Any], names: Sequence[str], why: str) -> None:
    for name in names:
        if options[name] is not None:
            raise MisuseError(f"--{_flag(name)} {why}")


def _attaches(options: Mapping[str, Any]) -> bool:
    return bool(options["address"]) or options.get("gateway_port") is not None


def _both(one: str, *others: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda options: bool(options[one]) and any(options[other] for other in others)


def _in_new_market(one: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda options: bool(options[one]) and bool(options["sim"]) and not _attaches(options)


_APART: tuple[tuple[Callable[[Mapping[str, Any]], bool], str, str], ...] = (
    (
        lambda options: options["live"] + options["paper"] + options["observe"] > 1,
        "--observe, --paper and --live are runs of their own, each with its own store",
        "",
    ),
    (
        lambda options: bool(options["address"]) and options.get("gateway_port") is not None,
        "--gateway HOST:PORT names a port already: leave --port out",
        "",
    ),
    (
        lambda options: options["fills"] is not None and not options["observe"] and not options["shadows"],
        "--fills is for --observe and --shadow: elsewhere the broker fills",
        "",
    ),
    (
        _both("shadows", "observe", "exits_only"),
        "--shadow cannot be combined with --observe or --exits-only",
        "",
    ),
    (
        _both("exits_only", "observe"),
        "--exits-only cannot be combined with --observe, which holds nothing",
        "",
    ),
    (
        _both("live", "sim"),
        "--sim is no real money: --live does not go with it",
        "to try --live, let 'rulebot gateway --account U1234567' play the account (docs/live.md)",
    ),
    (
        lambda options: options["yes_i_mean"] is not None and not options["live"],
        "--yes-i-mean confirms the account of --live",
        "",
    ),
    (
        _in_new_market("exits_only"),
        "--exits-only needs open positions: a new simulated market has none",
        "attach with --gateway",
    ),
    (
        _in_new_market("wait_for_gateway"),
        "--wait-for-gateway has nothing to wait for: --sim brings its gateway",
        "",
    ),
    (_both("drift", "no_tape"), "--drift reads the recording of the day: leave --no-tape out", ""),
    (_both("until", "days"), "--until close is one session: leave --days out", ""),
)
"""What does not go together: when, why, and what to do."""
