"""`rulebot stop`, `pause`, `resume` and `kill`: requests left for a running engine, which alone acts on them."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import WholeNumber
from rulebot.cli.output import echo, print_text
from rulebot.cli.run import drive
from rulebot.cli.store_options import ENGINE_STORE, check_bot
from rulebot.model.errors import MisuseError
from rulebot.model.event import Request
from rulebot.model.text import counted
from rulebot.store.place import Place, shown_path

if TYPE_CHECKING:
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.store.queries import Run as StoredRun
    from rulebot.store.queries import StoreReader


def _named(_: click.Context, __: click.Parameter, given: str | None) -> str:
    """Return the bot that is named, "" for all. Raises: click.BadParameter for what an empty variable leaves."""
    if given == "":
        raise click.BadParameter("an empty name is no bot; without any all bots are meant")
    return given or ""


_BOT = click.argument("bot", required=False, callback=_named)
_SENDS = (Request.STOP, Request.KILL, Request.FLATTEN)
"""Requests that take something back at the broker, or close it."""
LATER = "no engine runs on {}: the next one does so before anything else"


def _leave(request: Request, bot: str, store: Place | None, said: str) -> None:
    """Leave a request for the engine of a store, or for the next one, and say so."""
    from rulebot.operator_requests.requests import post
    from rulebot.store.registry import engine_store

    found = engine_store(store)
    _check_bot(bot, found)
    adopted = _adoptions(bot, found) if request is Request.RESUME else []
    is_running = post(found, request, bot)
    echo(f"asked the engine of {found} to {said}" if is_running else LATER.format(found))
    for text in adopted:
        echo(text)
    if is_running and request in _SENDS:
        _report_undone(request, bot, found)


def _adoptions(bot: str, found: Place) -> list[str]:
    """Return what happens to positions whose account holdings differ from the books; none for a damaged store."""
    from rulebot.model.errors import StoreError
    from rulebot.operator_requests.requests import adoptions

    try:
        return [*adoptions(found, bot)]
    except StoreError:
        return []


def _report_undone(request: Request, bot: str, found: Place) -> None:
    """Say which positions are not closed all the same, and of an engine without a broker that it can do nothing yet."""
    from rulebot.model.errors import StoreError
    from rulebot.operator_requests.requests import held_back
    from rulebot.process.connection_state import connected
    from rulebot.store.queries import StoreReader

    try:
        with StoreReader(found) as reader:
            held = [*held_back(reader, bot)] if request is Request.FLATTEN else []
            reported = connected(reader, reader.run())
    except StoreError:
        return
    for text in held:
        echo(f"not closed: {text}")
    if reported.is_linked is False:
        is_stop = request is Request.STOP
        undone = (
            "it ends anyway; working orders continue" if is_stop else "nothing is cancelled or closed until it is back"
        )
        echo(f"{reported.words}\n{undone}: what cannot wait, do in TWS")
    elif reported.words:
        echo(f"{reported.words}\nlook whether it does what was asked: what cannot wait, do in TWS")


def _report_elsewhere(found: Place, bot: str) -> None:
    """Say what BOT (or any bot) holds in an account by another store, as of an engine that has died: it stays open."""
    from rulebot.model.errors import StoreError
    from rulebot.store.queries import StoreReader
    from rulebot.store.registry import naming, other_stores

    for place in other_stores(found):
        try:
            with StoreReader(place) as reader:
                held = [] if reader.run().pretended else reader.view("open_positions")
        except StoreError:
            continue
        if count := sum(bot in ("", row["strategy_id"]) for row in held):
            are = counted(count, "position is open", "positions are open")
            command = f"rulebot kill {f'{bot} ' if bot else ''}--flatten{naming(place, lambda: None)}"
            echo(f"not closed by this: {are} in {shown_path(place)}: {command}", err=True)


def _check_bot(bot: str, found: Place) -> None:
    """Refuse a bot that the store does not know: an engine would ignore the request silently.

    Raises: click.UsageError. A request is left even if the store cannot be read.
    """
    if not bot:
        return
    from rulebot.model.errors import StoreError
    from rulebot.store.queries import StoreReader
    from rulebot.store.registry import is_there

    try:
        if not is_there(found):
            return
        with StoreReader(found) as reader:
            known = reader.bots()
    except StoreError:
        return
    if known:
        check_bot(bot, known, found)


@click.command()
@ENGINE_STORE
def stop(store: Place | None) -> None:
    """End the engine: working entries are cancelled, exits stay at the broker, positions stay open."""
    _leave(Request.STOP, "", store, "end")


@click.command()
@_BOT
@ENGINE_STORE
def pause(bot: str, store: Place | None) -> None:
    """Let BOT (or all bots) enter nothing more; a working entry and exits continue."""
    _leave(Request.PAUSE, bot, store, f"pause {bot or 'all bots'}")


@click.command()
@_BOT
@ENGINE_STORE
def resume(bot: str, store: Place | None) -> None:
    """Let BOT (or all bots) enter again after a pause or a kill.

    Requested closes continue. Where the account holds less of a position than the books, the
    books adopt the account's quantity, or rulebot says why not.
    """
    _leave(Request.RESUME, bot, store, f"resume {bot or 'all bots'}")


@click.command()
@_BOT
@click.option("--flatten", is_flag=True, help="Close every position as well, at natural and then at market.")
@ENGINE_STORE
def kill(bot: str, flatten: bool, store: Place | None) -> None:
    """Cancel every entry of BOT (or of all bots) and open nothing more; exits continue.

    It holds over restarts until 'rulebot resume'. With --flatten everything open is closed, after its resting orders
    are cancelled. When no engine runs, --flatten starts one that only closes, and ends when nothing is open.
    """
    from rulebot.store.registry import engine_store, is_in_use

    found = engine_store(store)
    if flatten and store is None:
        _report_elsewhere(found, bot)
    if flatten and not is_in_use(found):
        _check_bot(bot, found)
        close_all(found, bot)
    elif flatten:
        held = f"{bot} holds" if bot else "all bots hold"
        _leave(Request.FLATTEN, bot, found, f"close all that {held}, and open nothing")
    else:
        reported = f"{bot}: it only reduces" if bot else "all bots: they only reduce"
        _leave(Request.KILL, bot, found, f"kill {reported} from now on")


# --- `rulebot reload`: changed specs for a running engine, checked and shown before it is asked


@click.command()
@ENGINE_STORE
def reload(store: Place | None) -> None:
    """Let the running engine read its specs and the account document again, and apply the changes.

    The files are those given to 'rulebot run'; folders are read again. Open positions keep the spec under which they
    were opened, new entries follow the new one. It happens when no order of a changed bot is in flight; until then
    'rulebot status' says what it waits for. With a problem in any file nothing changes.

    Exit code: 0 when the engine was asked, 1 for problems in the files, 2 when no bot remains, 3 when no engine runs.
    """
    from rulebot.core.session.reloading import changes_between
    from rulebot.documents.load_bots import CLEAR_OVERRIDE_HELP, digests_of, left_out_words, limit_words, limits_as_json
    from rulebot.model.event import Request
    from rulebot.operator_requests.requests import post
    from rulebot.spec.diagnostic import headline
    from rulebot.store.registry import engine_store

    found = engine_store(store)
    run, desk = _reread(found)
    running = digests_of(run.specs)
    _refuse_account(found, run, desk, running)
    for warning in dict.fromkeys(desk.warnings):
        echo(f" warning: {headline(warning)}")
    for words in left_out_words(desk):
        echo(f" warning: a value is ignored: {words}; {CLEAR_OVERRIDE_HELP}")
    changes = changes_between(running, desk.digests)
    lines = [*(each.words for each in changes), *limit_words(run.limits, limits_as_json(desk))]
    post(found, Request.RELOAD)
    for line in lines:
        echo(f" {line}")
    if not lines:
        echo(f"the files say what the engine of {found} runs already")
        return
    echo(f"asked the engine of {found} to reload; it does so when these bots have nothing in flight")


def _reread(found: Place) -> "tuple[StoredRun, LoadedBots]":
    """Return the run of the engine of a store, and its files as they are now. Raises: StoreError; Exit for problems."""
    from rulebot.cli.validate import show_problems
    from rulebot.documents.load_bots import ProblemsError, kept_overrides, reread, sources_of
    from rulebot.model.errors import StoreError
    from rulebot.store.queries import StoreReader
    from rulebot.store.registry import is_in_use

    if not is_in_use(found):
        raise StoreError(f"no engine is running on {found}", "nothing is to be done: the next start reads the files")
    with StoreReader(found) as reader:
        run, kept = reader.run(), kept_overrides(reader)
    if run.started is None or run.ended is not None:
        raise StoreError(
            f"the engine of {found} is only starting, or waits for its gateway",
            "it has read its files by now: ask again once it is connected, or restart it",
        )
    sources = sources_of(run.started.data.get("sources"))
    if sources is None:
        raise StoreError(
            f"the engine of {found} runs no specs that could be read again", "stop it and start it with the specs"
        )
    try:
        return run, reread(sources, kept)
    except ProblemsError as error:
        show_problems(error.found, "text", err=True)
        raise click.exceptions.Exit(error.exit_code) from error


def _refuse_account(found: Place, run: "StoredRun", desk: "LoadedBots", running: Mapping[str, str]) -> None:
    """Refuse, as the engine would, what the account document may not become. Raises: MisuseError, PromotionError."""
    from rulebot.live.reload import LiveRun, refuse_account
    from rulebot.store.queries import OBSERVE

    assert run.started is not None  # of an engine that runs
    reported = run.started.data
    settings: Any = reported.get("settings") or {}
    is_free = bool(reported.get("lockstep")) or settings.get("mode") == OBSERVE
    live = LiveRun(found, bool(reported.get("simulated"))) if settings.get("mode") == "live" else None
    refuse_account(
        desk,
        str(reported.get("account")),
        run.session or date.fromisoformat(str(reported["session"])),
        running=running,
        had_limits=run.limits is not None,
        any_account=is_free,
        live=live,
    )


# --- `rulebot enter`: have a bot enter at once, also a row of a scan


@click.command()
@click.argument("bot")
@click.argument("symbol", required=False, default="")
@click.option(
    "--alternative", default="", metavar="NAME", help="Which alternative, where the scan has several of SYMBOL."
)
@click.option("--scan", type=WholeNumber(1), metavar="N", help="Of this scan (default: the last one).")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@ENGINE_STORE
def enter(bot: str, symbol: str, alternative: str, scan: int | None, yes: bool, store: Place | None) -> None:
    """Have BOT enter at once, whatever its window and conditions say; its limits and the account's apply.

    With SYMBOL it enters the row of this symbol in the last scan: those legs and no others. If a limit refuses them at
    present quotes, nothing is entered, and 'rulebot why BOT' says which limit. The engine must run.
    """
    from rulebot.model.errors import MisuseError
    from rulebot.model.event import Request
    from rulebot.narrate import notices as asking_words
    from rulebot.operator_requests.requests import check_world, kept_scan, leave, named_of
    from rulebot.store.queries import StoreReader
    from rulebot.store.registry import engine_store
    from rulebot.store.scans import scans_file

    found = engine_store(store)
    named, words = None, asking_words.enter(bot)
    if symbol:
        head = kept_scan(scans_file(), scan or 0)
        if head is None:
            raise MisuseError("nothing was scanned yet", "'rulebot scan SPEC' does")
        row = _row(head, bot, symbol, alternative)
        with StoreReader(found) as reader:
            check_world(head, reader.run())
        named, words = named_of(row), _words(bot, row, head)
    elif scan or alternative:
        raise click.UsageError("--scan and --alternative say which row of SYMBOL is meant: name the symbol too")
    echo(words)
    if not yes and not click.confirm("Enter?"):
        echo("nothing was asked for")
        return
    echo(leave(found, Request.ENTER, bot, named=named).message)


def _row(head: Mapping[str, Any], bot: str, symbol: str, alternative: str) -> Mapping[str, Any]:
    """Return the best row of a bot and symbol in a scan, of an alternative if one is named. Raises: MisuseError."""
    from rulebot.model.errors import MisuseError
    from rulebot.operator_requests.requests import SCAN_AGAIN, rows_of_bot
    from rulebot.store.scans import scans_file

    rows = rows_of_bot(scans_file(), head, bot, symbol)
    fitting = [each for each in rows if not alternative or each["alternative"] == alternative]
    if not fitting:
        others = ", ".join(dict.fromkeys(each["alternative"] for each in rows if each["alternative"]))
        which = f"{symbol} {alternative}".rstrip()
        help = f"its rows of {symbol} are of {others}" if others else SCAN_AGAIN
        raise MisuseError(f"scan {head['id']} has no row of {bot} for {which}", help)
    return fitting[0]


def _words(bot: str, row: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """Return what is to be entered, as it was when it was scanned, in one sentence a line."""
    from rulebot.model.session import EXCHANGE_ZONE
    from rulebot.narrate import notices as asking_words
    from rulebot.record.codec import utc_time

    name = asking_words.structure_name(row["symbol"], row["structure"], [row["expiry"] or ""])
    price, at = row["price"], utc_time(head["at"]).astimezone(EXCHANGE_ZONE)
    side = "" if price is None else f" for a {'credit' if price > 0 else 'debit'} of {abs(price):.2f}"
    seen = f"Scan {head['id']} at {at:%Y-%m-%d %H:%M} New York: {name}{side}."
    lacking = "" if row["holds"] else f"\nIts conditions did not all hold then: {row['why']}."
    return f"{seen}{lacking}\n{asking_words.enter_row(bot, name)}"


# --- `rulebot kill --flatten` where no engine runs


def close_all(store: Place, bot: str = "") -> None:
    """Run an engine without bots on a store until all holdings of BOT (or any bot) are closed. Raises: MisuseError.

    It connects where the store's last run did, as the client whose orders work: another one cannot cancel them. The
    specs that govern open positions are in the store.
    """
    from rulebot.documents.load_bots import NO_BOTS
    from rulebot.live.environments import attached
    from rulebot.live.start import RunOptions
    from rulebot.model.event import Request
    from rulebot.operator_requests.requests import post
    from rulebot.store.place import accounts_folder
    from rulebot.store.queries import StoreReader

    with StoreReader(store) as reader:
        started = reader.run().started
    if started is None:
        raise MisuseError(
            f"nothing has run on {store}: nothing of it is open", "'rulebot list' shows the last run's store"
        )
    reported = started.data
    settings: Any = reported.get("settings") or {}
    if settings.get("mode") == "observe":
        raise MisuseError(f"{store} is the store of runs that observe: nothing of it is in any account")
    gateway = str(settings.get("gateway") or "")
    if not gateway:
        raise MisuseError(
            f"{store} was traded on a simulated market that ended with its run: nothing remains to be closed",
            "attach runs to a 'rulebot gateway' to continue after their end",
        )
    post(store, Request.FLATTEN, bot)
    print_text(f"no engine runs on {store}: one is started that only closes")
    print_text("what it cannot close the next one closes before anything else, unless 'rulebot resume' comes first")
    with StoreReader(store) as reader:
        clients = _clients_at_work(reader)
    client_id = clients.pop() if len(clients) == 1 else int(settings.get("client_id", 1))
    host, _, port = gateway.rpartition(":")
    is_live = settings.get("mode") == "live"
    world = attached(
        host,
        int(port) if port.isdigit() else None,
        client_id,
        "" if settings.get("sim") and not is_live else str(reported["account"]),
        lockstep=bool(settings.get("sim")),
        among=str(reported["account"]),
        live=is_live,
    )
    said = {**settings, "client_id": client_id, "exits_only": False, "flatten": True}
    accounts = None if settings.get("sim") else accounts_folder()
    options = RunOptions(store=store, logs=None, sessions=None, until_flat=True, accounts=accounts, settings=said)
    drive(NO_BOTS, options, world)


def _clients_at_work(reader: "StoreReader") -> set[int]:
    """Return the client ids under which orders of a store may work."""
    from rulebot.recovery.resume import resume_from

    if (at := reader.last_at()) is None:
        return set()
    orders = resume_from(reader.recall(at), at).state.orders.by_ref.values()
    return {order.client_id for order in orders if order.status.is_live and order.order_id}
