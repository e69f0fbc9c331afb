"""`rulebot status`: what is open, what protects it, what works, and whether the engine may trade."""

import json
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

import click

from rulebot.cli.options import SPECS, WholeNumber
from rulebot.cli.output import echo, print_text, table, terminal_width
from rulebot.cli.store_options import other_version_words, print_json, shows_store
from rulebot.model.errors import RulebotError, StoreError
from rulebot.model.money import signed_dollars
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.text import aligned, counted, one_line, signed_price
from rulebot.narrate.notices import delayed_on_record
from rulebot.narrate.snapshot import OrderSnapshot, PositionSnapshot, instant_text
from rulebot.narrate.snapshot_of_state import pending_today, realized_today
from rulebot.narrate.snapshot_of_store import RESTING, StoredRun, growing_in, orders_of, positions_of
from rulebot.narrate.trades import (
    TargetResult,
    error_text,
    kept_lines,
    provisional_text,
    read_profit_kept,
    unprotected_legs_text,
)
from rulebot.process.connection_state import connected
from rulebot.record.record import Record
from rulebot.recovery.resume import TO_BE_CLOSED, kept_out, named_in, reason_of, standing_of, trading_of
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import StoreReader
from rulebot.store.registry import shown_store

_TARGET = "target"
"""The purpose of a resting order that limits no loss: it is no protection."""
_SAME = ("quantity", "filled", "purpose", "reason", "state", "attempt", "message")


@click.command("status", short_help="Show what is open and what protects it.")
@shows_store
def status(store: Place | None, form: str) -> None:
    """Show open positions with their protection, working orders, today's profit, halts and the trading state.

    Today's profit is what was made since the session began, after commissions: of a position of an earlier day its part
    of today. 'rulebot summary --by day' counts the whole of a trade on the day on which it ended.
    """
    path = shown_store(store)
    with StoreReader(path) as reader:
        document = _document(reader)
    document["store"] = shown_path(path)
    if form == "json":
        print_json(document)
        return
    for line in _lines(document):
        echo(line)
    if words := other_version_words(path):
        echo(f" {words}")


def _document(reader: StoreReader) -> dict[str, Any]:
    """Return everything that is shown, as plain data.

    realized_today and open_today are what was made since the session began, as on the page; unrealized is since each
    position was opened. pending_commissions: fills without a commission, so that profit is provisional. paused:
    bots that a person has paused or killed by name; reason: why none may enter, None where that is not so.
    """
    stored = StoredRun(reader)
    run, state = stored.run, stored.state
    day, link, orders = reader.last_day(), connected(reader, run), orders_of(stored)
    standing = standing_of((*run.earlier, *run.requests))
    held = positions_of(stored)
    positions = [_position(each, orders) for each in held]
    resting = {each["ref"] for one in positions for each in (*one["protection"], *one["resting_targets"])}
    return {
        "engine": run.state(),
        "mark": run.mark,
        "trading": trading_of(run),
        "reason": reason_of(standing),
        "paused": named_in(standing),
        "connected": link.is_linked,
        "connection": link.words,
        "date": None if day is None else str(day),
        "as_of": instant_text(stored.at) or None,
        "alarms_today": next(iter(reader.view("system_state")), {}).get("errors_today", 0),
        "realized_today": round(0.0 if state is None else float(realized_today(state)), 6),
        "open_today": round(stored.open_profit, 6),
        "pending_commissions": 0 if state is None else pending_today(state),
        "unrealized": round(sum((each.profit or 0.0 for each in held), 0.0), 6),
        "reload": None if run.state() == "stopped" else _reload(run.reload),
        "positions": positions,
        "orders": [_order(order) for order in orders if order.ref not in resting],
        "exits": [each.as_document() for each in read_profit_kept(reader)],
        **_notices(stored),
        "errors": _errors(reader, str(day)),
        "halts": [] if day is None else _halts(reader, str(day)),
    }


def _notices(stored: StoredRun) -> dict[str, Any]:
    growing = [{"bot": bot, **asdict(grown), "words": grown.words} for bot, grown in growing_in(stored)]
    delayed = delayed_on_record(stored.reader)
    delayed_data = [{"symbol": each.symbol, "bots": list(each.bots), "words": each.words} for each in delayed]
    return {"growing": growing, "delayed_data": delayed_data}


def _errors(reader: StoreReader, day: str) -> list[dict[str, Any]]:
    rows = (row for row in reader.view("trades", status="ERROR") if str(row["exit_time"]).startswith(day))
    return [{"bot": row["strategy_id"], "position": row["position"], "left": error_text(row)} for row in rows]


def _halts(reader: StoreReader, day: str) -> list[dict[str, Any]]:
    rows = (row for row in reader.view("bot_days", date=day) if row["halted"])
    return [{"bot": row["strategy_id"], "reason": one_line(row["halted"])} for row in rows]


def _reload(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    reason = str(record.data.get("reason") or "a quiet point")
    return {"what": "refused" if record.data["what"] == "refused" else "waits", "reason": reason}


def _position(held: PositionSnapshot, orders: Sequence[OrderSnapshot]) -> dict[str, Any]:
    resting = [order for order in orders if order.position == held.id and order.purpose in RESTING]
    since = held.unprotected_since
    return {
        "bot": held.bot,
        "position": held.id,
        "structure": held.structure,
        "quantity": held.quantity,
        "state": held.state,
        "entry_time": instant_text(held.opened_at) or None,
        "entry_price": held.entry,
        "mark": held.mid,
        "mark_time": instant_text(held.priced_at) or None,
        "unrealized_pnl": held.profit,
        "protection": [_order(order) for order in resting if order.purpose != _TARGET],
        "resting_targets": [_order(order) for order in resting if order.purpose == _TARGET],
        "on_hold": held.on_hold,
        "to_be_closed": held.state == "open" and not held.on_hold and held.waits_to_close,
        "unprotected": "" if since is None else unprotected_legs_text(held.unprotected, since),
    }


def _order(order: OrderSnapshot) -> dict[str, Any]:
    return {
        "bot": order.bot,
        "ref": order.ref,
        "ibkr_order_id": order.order_id,
        "action": order.side,
        **{name: getattr(order, name) for name in _SAME},
        "limit_price": order.limit,
        "stop_price": order.stop,
    }


def _lines(document: dict[str, Any]) -> list[str]:
    when = f"as of {document['as_of']} New York" if document["as_of"] else "nothing is recorded yet"
    return [
        *([f" {document['mark']}"] if document["mark"] else []),
        f" {document['engine']}, trading {document['trading']}, {when}"
        f"   today {signed_dollars(document['realized_today'])} realised, {signed_dollars(document['open_today'])} open"
        f"{provisional_text(document['pending_commissions'])}",
        *([f" {document['connection']}"] if document["connection"] else []),
        *(f" {one['words']}" for one in document["delayed_data"]),
        "",
        *(_position_lines(document["positions"]) or [" nothing is open"]),
        *(["", *_order_lines(document["orders"])] if document["orders"] else []),
        *kept_out(document["reason"], document["paused"]),
        *(f" {words}" for words in _notes(document)),
        "",
        f" store {document['store']}",
    ]


def _notes(document: dict[str, Any]) -> Iterator[str]:
    """Yield notes beside the tables."""
    held = [(f"{one['bot']} {one['structure']}", one) for one in document["positions"]]
    yield from (f"{name}: {TO_BE_CLOSED}" for name, one in held if one["to_be_closed"])
    for words, key in (("on hold", "on_hold"), ("unprotected", "unprotected")):
        yield from (f"{words}: {name}: {one[key]}" for name, one in held if one[key])
    yield from (f"{one['bot']} {one['position']}: {one['left']}" for one in document["errors"])
    yield from kept_lines([TargetResult.from_document(one) for one in document["exits"]], is_named=True)
    yield from (f"{one['bot']} {one['words']}" for one in document["growing"])
    yield from (f"halted: {halt['bot']}: {halt['reason']}" for halt in document["halts"])
    if reload := document["reload"]:
        words = "reload refused: " if reload["what"] == "refused" else "reload waits for "
        yield f"{words}{reload['reason'].splitlines()[0]}"
    if count := document["alarms_today"]:
        yield f"{counted(count, 'alarm')} on {document['date']}"


def _position_lines(positions: Sequence[dict[str, Any]]) -> list[str]:
    if not positions:
        return []
    head = (
        "bot",
        "position",
        "state",
        "since",
        "entry",
        "mark",
        "at",
        "P/L",
        "protection at the broker",
        "resting target",
    )
    rows = [
        (
            one["bot"],
            one["structure"],
            one["state"],
            (one["entry_time"] or "-")[:16],
            signed_price(one["entry_price"]),
            signed_price(one["mark"]),
            str(one["mark_time"] or "-")[11:16] or "-",
            signed_dollars(one["unrealized_pnl"]),
            ", ".join(_resting(order) for order in one["protection"]) or "none",
            ", ".join(_resting(order) for order in one["resting_targets"]) or "none",
        )
        for one in positions
    ]
    right, going = frozenset((4, 5, 7)), (3, 6, 5, 4, 2)
    return table([head, *rows], terminal_width(), going, right=right, whole="--format json")


def _resting(order: dict[str, Any]) -> str:
    at = order["limit_price"] if order["purpose"] == _TARGET else order["stop_price"]
    uncertainty = "" if order["state"] == "working" else f" ({order['state']})"
    return f"{order['reason']} {signed_price(at)}{uncertainty}"


def _order_lines(orders: Sequence[dict[str, Any]]) -> list[str]:
    head = ("bot", "order", "state", "filled", "limit", "try")
    rows = [
        (
            one["bot"],
            f"{one['action'].lower()} {one['reason']}",
            one["state"],
            f"{one['filled']} of {one['quantity']}",
            signed_price(one["limit_price"]),
            str(one["attempt"]),
        )
        for one in orders
    ]
    return aligned([head, *rows], right=frozenset((4, 5)))


# --- `rulebot list`: the bots of the last run, or of specs, and what they are doing


@click.command("list", short_help="List the bots that ran.")
@click.argument("specs", nargs=-1, metavar="[SPEC]...", type=SPECS)
@shows_store
def list_bots(specs: tuple[str, ...], store: Place | None, form: str) -> None:
    """List the bots of the last run, or those of the files, folders or patterns in SPEC.

    A bot is stopped, starting, running or stopping. A removed bot with positions, whose exits continue, is stopping.
    """
    named = _of_files(specs)
    path = _path(store, bool(specs))
    ran = {} if path is None else _of_store(path)
    names = sorted(named if specs else ran)
    rows = [{**_unknown(name), **ran.get(name, {}), **named.get(name, {})} for name in names]
    if form == "json":
        print_json({"bots": rows, "store": None if path is None else shown_path(path)})
        return
    _show(rows)
    print_text(f"\n store {shown_path(path)}" if path else "\n no run has left a store yet")


def _path(store: Place | None, may_lack: bool) -> Place | None:
    try:
        return shown_store(store)
    except StoreError:
        if not may_lack:
            raise
        return None


def _unknown(name: str) -> dict[str, Any]:
    return {"bot": name, "state": "stopped", "mode": None, "digest": None, "path": None, "last_activity": None}


def _of_store(path: Place) -> dict[str, dict[str, Any]]:
    with StoreReader(path) as reader:
        run = reader.run()
        settings: Any = run.started.data.get("settings") if run.started else None
        mode = (run.started.data.get("mode") if run.started else None) or (settings or {}).get("mode")
        found = {}
        held = {row["strategy_id"] for row in reader.view("open_positions")}
        for bot in reader.bots():
            last = reader.last_activity(bot)
            spec = run.specs.get(bot, {})
            found[bot] = {
                "bot": bot,
                "state": run.state(bot, holds=bot in held),
                "mode": mode,
                "digest": spec.get("digest"),
                "path": spec.get("path"),
                "last_activity": last.astimezone(EXCHANGE_ZONE).strftime("%Y-%m-%d %H:%M:%S") if last else None,
            }
    return found


def _of_files(specs: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    if not specs:
        return {}
    from rulebot.spec.files import find_files
    from rulebot.spec.load import load_document

    found: dict[str, dict[str, Any]] = {}
    for file in find_files(specs):
        loaded = load_document(file, {})
        spec = loaded.spec
        if not loaded.is_fine:
            raise click.UsageError(f"{file} is no sound spec; 'rulebot validate {file}' says why")
        if spec is None:
            continue
        if spec.name in found:
            raise click.UsageError(f"two documents are the bot '{spec.name}': {found[spec.name]['path']} and {file}")
        found[spec.name] = {"bot": spec.name, "digest": spec.digest, "path": str(file)}
    return found


def _show(rows: list[dict[str, Any]]) -> None:
    head = ("bot", "state", "mode", "spec", "last activity", "file")
    shown = [head] + [
        (
            row["bot"],
            row["state"],
            row["mode"] or "-",
            (row["digest"] or "-")[:8],
            row["last_activity"] or "never",
            row["path"] or "-",
        )
        for row in rows
    ]
    lines = table(shown, terminal_width(), (3, 2, 4), right=frozenset(), whole="--format json")
    for line in lines if rows else [" no bot has run here"]:
        echo(line)


# --- `rulebot health`: for health checks of containers and machines, and for a person who wants one line

SECONDS = 8.0
OURS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where this machine reaches a page that listens on all its addresses."""


class UnreachableError(RulebotError):
    """Nothing answers where the page should be."""


@click.command("health", short_help="Ask the page of this machine whether its engine is well.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="RULEBOT_WEB_HOST",
    show_envvar=True,
    help="The address that the page listens on.",
)
@click.option(
    "--port",
    type=WholeNumber(1, 65535),
    default=8080,
    show_default=True,
    envvar="RULEBOT_WEB_PORT",
    show_envvar=True,
    help="The page's port.",
)
@click.option(
    "--tls-cert",
    "certificate",
    envvar="RULEBOT_WEB_TLS_CERT",
    show_envvar=True,
    help="The page is encrypted, with this.",
)
def health(host: str, port: int, certificate: str | None) -> None:
    """Ask the page that 'rulebot serve' or 'rulebot web' serves on this machine how it is; no token is needed.

    An engine that waits for its gateway is well, one that hangs or has ended is not.

    Exit code: 0 when it is well, 1 when it is not, 3 when nothing answers.
    """
    status, said = ask(OURS.get(host, host), port, is_secure=bool(certificate))
    linked = {True: ", connected", False: ", not connected", None: ""}[said.get("is_connected")]
    why = f": {said['why']}" if said.get("why") else ""
    echo(f"{said.get('status', 'failing')}   engine {said.get('engine', 'unknown')}{linked}{why}")
    if status != 200:
        raise click.exceptions.Exit(1)


def ask(host: str, port: int, *, is_secure: bool = False) -> tuple[int, dict[str, Any]]:
    """Return status and body of this machine's /health. Raises: UnreachableError.

    A certificate is not judged: it names the machine as others call it, and nothing secret is sent.
    """
    connection: HTTPConnection | None = None
    try:
        if is_secure:
            connection = HTTPSConnection(host, port, timeout=SECONDS, context=ssl._create_unverified_context())
        else:
            connection = HTTPConnection(host, port, timeout=SECONDS)
        connection.request("GET", "/health", headers={"Host": "localhost"})  # a name that every page is served under
        answer = connection.getresponse()
        found = json.loads(answer.read(65536))
    except (OSError, HTTPException, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error or type(error).__name__
        shown = f"[{host}]" if ":" in host else host
        raise UnreachableError(
            f"no page answers at {shown}:{port}: {why}", "is 'rulebot serve' running there?"
        ) from error
    finally:
        if connection is not None:
            connection.close()
    return answer.status, found if isinstance(found, dict) else {}
