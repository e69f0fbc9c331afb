"""`rulebot kill --flatten` where no engine runs: one is started that only closes, and ends once nothing is open."""

from typing import TYPE_CHECKING, Any

from rulebot.cli.run import drive
from rulebot.cli.say import print_text
from rulebot.model.errors import MisuseError
from rulebot.store.place import Place

if TYPE_CHECKING:
    from rulebot.store.queries import StoreReader


def close_all(store: Place, bot: str = "") -> None:
    """Run an engine without bots on a store until all that BOT (or any bot) holds is closed. Raises: MisuseError.

    It connects where the store's last run did, as the client whose orders are at work: another one cannot cancel them.
    The texts that govern open positions are in the store.
    """
    from rulebot.documents.load_bots import NO_BOTS
    from rulebot.live.environments import attached
    from rulebot.live.start import RunOptions
    from rulebot.model.event import Request
    from rulebot.operator.request_inbox import post
    from rulebot.store.folders import accounts_folder
    from rulebot.store.queries import StoreReader

    with StoreReader(store) as reader:
        started = reader.run().started
    if started is None:
        raise MisuseError(
            f"nothing has run on {store}: nothing of it is open", "'rulebot list' shows the last run's store"
        )
    told = started.data
    settings: Any = told.get("settings") or {}
    if settings.get("mode") == "observe":
        raise MisuseError(f"{store} is the store of runs that observe: nothing of it is in any account")
    gateway = str(settings.get("gateway") or "")
    if not gateway:
        raise MisuseError(
            f"{store} was traded on a simulated market that ended with its run: nothing is left to be closed",
            "attach runs to a 'rulebot gateway' to go on after their end",
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
        "" if settings.get("sim") and not is_live else str(told["account"]),
        lockstep=bool(settings.get("sim")),
        among=str(told["account"]),
        live=is_live,
    )
    said = {**settings, "client_id": client_id, "exits_only": False, "flatten": True}
    accounts = None if settings.get("sim") else accounts_folder()
    options = RunOptions(store=store, logs=None, sessions=None, until_flat=True, accounts=accounts, settings=said)
    drive(NO_BOTS, options, world)


def _clients_at_work(reader: "StoreReader") -> set[int]:
    """Return the client ids under which orders of a store may be at work."""
    from rulebot.recovery.resume import resume_from

    if (at := reader.last_at()) is None:
        return set()
    orders = resume_from(reader.recall(at), at).state.orders.values()
    return {order.client_id for order in orders if order.status.is_live and order.order_id}
