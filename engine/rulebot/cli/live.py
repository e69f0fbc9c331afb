"""`rulebot run --live`: what is missing is said at once, and then a person confirms the account."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.say import print_text
from rulebot.model.errors import BrokerError, StoreError
from rulebot.model.session import exchange_date, session_from

if TYPE_CHECKING:
    from rulebot.adapters.ib.greeting import Greeting
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.live.environments import World
    from rulebot.live.start import RunOptions
    from rulebot.process.heartbeat import Heartbeat
    from rulebot.process.settings import Settings
    from rulebot.store.place import Place

SIMULATED = "(a simulated gateway plays this account: no real money)"


def live_world(
    desk: "LoadedBots", settings: "Settings", sessions: int | None, options: Mapping[str, Any], heartbeat: "Heartbeat"
) -> "tuple[AbstractAsyncContextManager[World], RunOptions]":
    """Return the world of real money once nothing is missing and a person has confirmed it. Raises: RulebotError.

    options: `yes_i_mean`, `exits_only`, `logs` and `wait_for_gateway` of the command.
    """
    from rulebot.live.environments import attached
    from rulebot.live.start import RunOptions
    from rulebot.store.folders import accounts_folder

    patient = heartbeat if options["wait_for_gateway"] else None
    account, port, offered = admitted(desk, settings, options["yes_i_mean"], patient)
    said: dict[str, Any] = {
        "mode": "live",
        "gateway": f"{settings.host}:{port}",
        "sim": offered.is_simulated,
        "client_id": settings.client_id,
        "exits_only": options["exits_only"],
    }
    who = settings.client_id, account
    where = attached(settings.host, port, *who, lockstep=offered.is_simulated, live=True, share=settings.share)
    logs = options["logs"] or settings.logs.with_name(f"{settings.logs.name}-live")
    return where, RunOptions(
        store=settings.live_store,
        logs=logs,
        sessions=sessions,
        line_limit=settings.lines,
        accounts=None if offered.is_simulated else accounts_folder(),
        settings=said,
        log=settings.log_limits,
        patience=settings.patience,
    )


def admitted(
    desk: "LoadedBots", settings: "Settings", yes_i_mean: str | None, patient: "Heartbeat | None" = None
) -> "tuple[str, int, Greeting]":
    """Return the live account, the port it is at, and what the gateway there said, once a person has confirmed it.

    patient: is told of the waiting of a service, for as long as no gateway answers; None does not wait.
    Raises: NotAdmittedError that names everything that is missing.
    """
    from rulebot.promotion.admission import AdmissionRequest, missing, refusal
    from rulebot.promotion.promotion import LiveStore, read_live_store

    port, offered, unreachable = asyncio.run(_offered(settings) if patient is None else _awaited(settings, patient))
    rules = None if desk.account is None else desk.account.live
    account = "" if rules is None else rules.account
    is_simulated = offered is not None and offered.is_simulated
    try:
        store = read_live_store(settings.live_store, account, simulated=is_simulated)
    except StoreError as error:
        store = LiveStore(promotions={}, problem=error.message)
    asked = AdmissionRequest(
        digests={text.name: text.digest for text in desk.texts},
        document=desk.account,
        where=f"{settings.host}:{port or settings.live_port or '4001 or 7496'}",
        offered=offered,
        unreachable=unreachable,
        store=store,
        today=_first_session(offered),
        confirmed=yes_i_mean if yes_i_mean is not None else None if _is_terminal() else "",
    )
    if found := missing(asked):
        raise refusal(found, settings.live_store, store.held)
    assert offered is not None
    assert port is not None
    if yes_i_mean is None:
        _confirm(account, desk, settings.live_store, is_simulated=is_simulated)
    return account, port, offered


async def _awaited(settings: "Settings", heartbeat: "Heartbeat") -> "tuple[int, Greeting, str]":
    """Return the same once a gateway answers."""
    from rulebot.adapters.ib.greet import read_greeting
    from rulebot.live.environments import LIVE_PORTS, listening_port
    from rulebot.narrate.unmonitored_alert import told_when_unwatched
    from rulebot.process.reconnect_backoff import patiently

    async def ask() -> "tuple[int, Greeting, str]":
        port = settings.live_port or await listening_port(settings.host, LIVE_PORTS)
        return port, await read_greeting(settings.host, port), ""

    heartbeat.waits("")
    async with heartbeat.attended(), told_when_unwatched(settings.live_store):
        return await patiently(ask, settings.host, heartbeat.waits)


async def _offered(settings: "Settings") -> "tuple[int | None, Greeting | None, str]":
    """Return the port, what the gateway says there, and why nothing does."""
    from rulebot.adapters.ib.greet import read_greeting
    from rulebot.live.environments import LIVE_PORTS, listening_port

    port = settings.live_port
    try:
        port = await listening_port(settings.host, LIVE_PORTS) if port is None else port
        return port, await read_greeting(settings.host, port), ""
    except BrokerError as error:
        return port, None, error.message


def _first_session(offered: "Greeting | None") -> date:
    at = datetime.now(UTC) if offered is None or offered.told_at is None else offered.told_at
    return session_from(exchange_date(at)).date


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _confirm(account: str, desk: "LoadedBots", store: "Place", *, is_simulated: bool) -> None:
    from rulebot.promotion.admission import NotAdmittedError

    money = SIMULATED if is_simulated else "with real money"
    if desk.bots:
        print_text(f"{', '.join(sorted(desk.bots))} will trade account {account} {money}, kept in {store}")
    else:
        print_text(f"nothing will be entered; exits of what is open in {store} will trade account {account} {money}")
    typed = click.prompt("type the account's id to confirm", default="", show_default=False).strip()
    if typed != account:
        raise NotAdmittedError(f"not confirmed: typed '{typed}', the account is {account}", "nothing was sent")
