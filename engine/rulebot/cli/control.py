"""`rulebot stop`, `pause`, `resume` and `kill`: requests left for a running engine, which alone acts on them."""

import click

from rulebot.cli.stores import STORE, check_bot
from rulebot.cli.width import echo
from rulebot.model.counted import counted
from rulebot.model.event import Request
from rulebot.store.place import Place, shown_path

_STORE = click.option(
    "--store",
    type=STORE,
    metavar="STORE",
    help="The store of the engine that is meant (default: of the one that runs).",
)


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
    from rulebot.operator.request_inbox import post
    from rulebot.store.latest import engine_store

    found = engine_store(store)
    _check_bot(bot, found)
    adopted = _adoptions(bot, found) if request is Request.RESUME else []
    is_running = post(found, request, bot)
    echo(f"asked the engine of {found} to {said}" if is_running else LATER.format(found))
    for text in adopted:
        echo(text)
    if is_running and request in _SENDS:
        _tell_undone(request, bot, found)


def _adoptions(bot: str, found: Place) -> list[str]:
    """Return what becomes of positions that the account holds otherwise than the books; none of a damaged store."""
    from rulebot.model.errors import StoreError
    from rulebot.operator.requests import adoptions

    try:
        return [*adoptions(found, bot)]
    except StoreError:
        return []


def _tell_undone(request: Request, bot: str, found: Place) -> None:
    """Say which positions are not closed all the same, and of an engine without a broker that it can do nothing yet."""
    from rulebot.model.errors import StoreError
    from rulebot.operator.requests import held_back
    from rulebot.process.broker_status import connected
    from rulebot.store.queries import StoreReader

    try:
        with StoreReader(found) as reader:
            held = [*held_back(reader, bot)] if request is Request.FLATTEN else []
            told = connected(reader, reader.run())
    except StoreError:
        return
    for text in held:
        echo(f"not closed: {text}")
    if told.is_linked is False:
        is_stop = request is Request.STOP
        undone = (
            "it ends all the same, what works goes on" if is_stop else "nothing is cancelled or closed until it is back"
        )
        echo(f"{told.words}\n{undone}: what cannot wait, do in TWS")
    elif told.words:
        echo(f"{told.words}\nlook whether it does what was asked: what cannot wait, do in TWS")


def _tell_elsewhere(found: Place, bot: str) -> None:
    """Say what BOT (or any bot) holds in an account by another store, as of an engine that has died: it stays open."""
    from rulebot.model.errors import StoreError
    from rulebot.store.latest import naming, other_stores
    from rulebot.store.queries import StoreReader

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
    """Refuse a bot that the store does not know: an engine would do nothing, and nobody would hear of it.

    Raises: click.UsageError. A store that cannot be read is no reason to leave nothing for its engine.
    """
    if not bot:
        return
    from rulebot.model.errors import StoreError
    from rulebot.store.open import is_there
    from rulebot.store.queries import StoreReader

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
@_STORE
def stop(store: Place | None) -> None:
    """End the engine: entries at work are cancelled, exits stay at the broker, positions stay as they are."""
    _leave(Request.STOP, "", store, "end")


@click.command()
@_BOT
@_STORE
def pause(bot: str, store: Place | None) -> None:
    """Let BOT (or all bots) enter nothing more; an entry at work is let be, exits go on."""
    _leave(Request.PAUSE, bot, store, f"pause {bot or 'all bots'}")


@click.command()
@_BOT
@_STORE
def resume(bot: str, store: Place | None) -> None:
    """Let BOT (or all bots) enter again after a pause or a kill.

    What was asked to be closed is closed all the same. Where the account holds less of a position than the books, the
    books adopt the account's quantity, or rulebot says why not.
    """
    _leave(Request.RESUME, bot, store, f"resume {bot or 'all bots'}")


@click.command()
@_BOT
@click.option("--flatten", is_flag=True, help="Close every position as well, at natural and then at market.")
@_STORE
def kill(bot: str, flatten: bool, store: Place | None) -> None:
    """Cancel every entry of BOT (or of all bots) and open nothing more; exits go on.

    It holds over restarts until 'rulebot resume'. With --flatten everything that is open is closed, and resting orders
    are taken back first. When no engine runs, --flatten starts one that only closes, and ends when nothing is open.
    """
    from rulebot.store.latest import engine_store
    from rulebot.store.open import is_in_use

    found = engine_store(store)
    if flatten and store is None:
        _tell_elsewhere(found, bot)
    if flatten and not is_in_use(found):
        from rulebot.cli.close_all import close_all

        _check_bot(bot, found)
        close_all(found, bot)
    elif flatten:
        held = f"{bot} holds" if bot else "all bots hold"
        _leave(Request.FLATTEN, bot, found, f"close all that {held}, and open nothing")
    else:
        told = f"{bot}: it only reduces" if bot else "all bots: they only reduce"
        _leave(Request.KILL, bot, found, f"kill {told} from now on")
