"""Requests from other processes to a running engine: left in the box of its store (`store/requests.py`).

The engine's one task looks into the box between two instants, so nothing else ever writes its state. A request that is
read is recorded with its id before it is removed: it acts once, also when the engine dies in between.
"""

import json
import logging
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rulebot.core.state.state import Named
from rulebot.documents.load_bots import compile_text
from rulebot.model.contract import Option
from rulebot.model.errors import MisuseError, RulebotError, StoreError
from rulebot.model.event import OperatorRequest, Request, WebhookReceived
from rulebot.model.position import GOES_ON, HoldReason, Position, end_of_row
from rulebot.model.values import dataclass
from rulebot.narrate import notices as asking_words
from rulebot.narrate.positions import ShownLeg
from rulebot.narrate.trades import error_text
from rulebot.record.codec import decode, encode
from rulebot.record.record import Json, Kind
from rulebot.recovery.resume import must_close_after, spec_texts
from rulebot.store.place import Place, Server
from rulebot.store.queries import Run, StoreReader
from rulebot.store.registry import is_in_use, is_there, read_store
from rulebot.store.requests import STUCK_HELP, box_of, clear_requests, remove_requests, waiting_requests
from rulebot.store.scans import KEPT, Row, is_about, rows_of, scan_numbered, scans

# --- A row of a kept scan as what an operator may have entered

SCAN_AGAIN = "scan again: 'rulebot scan SPEC'"


class NotKeptError(MisuseError):
    """A scan, or a row of it, that is not kept."""


def kept_scan(path: Path, number: int = 0) -> Row | None:
    """Return a scan without its rows; the last one without a number, None where there is none.

    Raises: NotKeptError, StoreError.
    """
    if not number:
        return next(iter(scans(path, 1)), None)
    head = scan_numbered(path, number)
    if head is None:
        help = "omit the scan for the last one, or scan again: 'rulebot scan'"
        raise NotKeptError(f"scan {number} is not kept: the newest {KEPT:,} are", help)
    return head


def rows_of_bot(path: Path, head: Row | None, bot: str, symbol: str = "") -> list[Row]:
    """Return the rows of a bot in a scan, best first, those of a symbol alone if one is named. Raises: StoreError."""
    rows = [] if head is None else rows_of(path, head["id"])
    return [each for each in rows if each["bot"] == bot and (not symbol or is_about(each, symbol))]


def named_of(row: Row) -> Named:
    """Return the structure of a row. Raises: MisuseError for one without legs."""
    legs = tuple((leg["name"], ShownLeg(**leg).option) for leg in row["legs"])
    if not legs:
        why = row["why"] or "it keeps none"
        raise MisuseError(f"the row of {row['symbol']} has no legs to enter: {why}", SCAN_AGAIN)
    return Named(legs, str(row["alternative"]))


def check_world(head: Row, run: Run) -> None:
    """Refuse to enter in one market what was scanned in another. Raises: MisuseError."""
    is_simulated = bool(head["world"] == "simulated")
    if is_simulated is not run.is_simulated:
        kinds = {True: "the simulated market", False: "a real one"}
        text = f"scan {head['id']} comes from {kinds[is_simulated]}, the engine trades on {kinds[run.is_simulated]}"
        raise MisuseError(text, SCAN_AGAIN)


def document_of(named: Named) -> dict[str, Any]:
    """Return a named structure as a request leaves it, and as its record has it."""
    return {"legs": {name: encode(option) for name, option in named.legs}, "alternative": named.alternative}


def named_from(data: Mapping[str, Any]) -> Named | None:
    """Return the named structure of a request or its record, None without one. Raises: CodecError and the like."""
    legs: Mapping[str, Json] = data.get("legs") or {}
    if not legs:
        return None
    return Named(tuple((str(name), decode(Option, each)) for name, each in legs.items()), str(data["alternative"]))


# --- Requests from other processes to a running engine

log = logging.getLogger("rulebot.run")

Asked = OperatorRequest | WebhookReceived
POLL_SECONDS = 0.2
NANOSECONDS = 10**9
MOST_WAITING = 200
"""Number of requests in a box at which web hooks are refused: they are not being read."""
MEANT_FOR_THIS_ONE = (Request.STOP, Request.RELOAD, Request.ENTER, Request.SET)


class NoEngineError(RulebotError):
    """No engine can act on it now, and later it would not be what was meant."""


def post(
    store: Place,
    request: Request,
    bot: str = "",
    identity: str = "",
    position: str = "",
    values: Mapping[str, str] | None = None,
    named: Named | None = None,
    edits: Mapping[str, str] | None = None,
    by: str = "",
) -> bool:
    """Leave a request for the engine of `store`; return whether one runs: else the next one acts on it first.

    identity: names the request where it may be left twice; it acts once. named: the structure that is to be entered.
    edits: what was changed in the bot's file before, and by whom.
    Raises: NoEngineError where none runs and none ever will; StoreError when it cannot be left, when an engine is to
    stop, reload, enter or be set and none runs, or when what is named is no store, or a broken one.
    """
    is_running = is_in_use(store)
    if not is_running and (request in MEANT_FOR_THIS_ONE or not _is_known(store)):
        raise StoreError(f"no engine is running on {store}", "'rulebot list' shows the bots of a store")
    if not is_running and is_there(store):
        read_store(store).close()  # in a folder without a store it would never be read
        _check_next(store)
    stamp = time.time_ns()
    name = f"{stamp:020d}-{os.getpid()}"
    said: dict[str, Any] = {"id": identity or name, "request": request.value, "bot": bot, "position": position}
    said |= {} if values is None else {"values": dict(values)}
    said |= {} if named is None else document_of(named)
    said |= {} if edits is None else {"edits": dict(edits), "by": by}
    box_of(store).put(name, json.dumps(said))
    return is_running


def post_hook(store: Place, name: str, says: str = "", identity: str = "") -> None:
    """Leave a web hook for the engine of `store`, or for the next one: it counts from now on.

    identity: names the message where it may be left twice; it counts once. Raises: NoEngineError where no engine runs
    and none ever will; StoreError when it cannot be left, or the box is evidently not read.
    """
    if not _is_known(store):
        raise StoreError(f"there is no store {store}", "'rulebot list' shows the bots of a store")
    if not is_in_use(store) and is_there(store):
        _check_next(store)
    stamp = time.time_ns()
    key = f"{stamp:020d}-{os.getpid()}-{secrets.token_hex(4)}"
    box = box_of(store)
    try:
        if len(box.found()) >= MOST_WAITING:
            raise StoreError("no engine reads what comes", "start one, or see why it hangs")
        box.put(key, json.dumps({"id": identity or key, "hook": name, "says": says, "received": stamp}))
    finally:
        box.close()


def _check_next(store: Place) -> None:
    """Refuse to leave anything where no engine will ever look: it would be believed to be done. Raises: NoEngineError.

    A store that cannot be read is no reason to leave nothing for its engine.
    """
    try:
        with StoreReader(store) as reader:
            run = reader.run()
    except StoreError:
        return
    if run.ended_with:
        raise NoEngineError(
            f"no engine runs on {store}, and none will: it belongs to {run.ended_with} that is over",
            "name the store of the engine that is meant with --store",
        )


def _is_known(store: Place) -> bool:
    return is_there(store) if isinstance(store, Server) else store.is_file()


def clear_box(store: Place) -> None:
    """Remove requests for an earlier engine, once the store is ours. Raises: StoreError.

    A stop or a reload is not meant for the next engine, which reads the files anyway; other requests from the time
    without an engine are kept. All later ones are meant for us, also while we wait for the gateway.
    """
    clear_requests(store, MEANT_FOR_THIS_ONE)


class RequestInbox:
    """The engine's side, once it is connected: looks into the box a few times a second of `clock`.

    An entry by hand that was left before is removed: it was meant for that moment. is_simulated: the time of the run is
    made up. ahead: returns by how many seconds this computer's clock is ahead of the engine's.
    """

    def __init__(
        self,
        store: Place,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
        *,
        is_simulated: bool = False,
        ahead: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._clock, self._wall, self._is_simulated, self._ahead = clock, wall, is_simulated, ahead
        self._box = box_of(store)
        remove_requests(self._box, (Request.ENTER,))
        self._looked = -POLL_SECONDS
        self._taken: list[str] = []
        self._stuck: set[str] = set()
        self._own: list[tuple[Request, str]] = []
        self._count = 0

    def ask(self, request: Request, reason: str = "") -> None:
        """Add a request of this process (Ctrl+C), with its reason where no person asks."""
        self._own.append((request, reason))

    def read(self, at: datetime) -> Sequence[Asked]:
        """Return what has come, oldest first; those taken last time are removed now, since their records are kept."""
        found: list[Asked] = []
        for request, reason in self._own:
            self._count += 1
            found.append(OperatorRequest(at, f"own-{at.isoformat()}-{self._count}", request, reason=reason))
        self._own.clear()
        if (now := self._clock()) - self._looked >= POLL_SECONDS:
            self._looked = now
            found += self._left(at)
        return found

    def close(self) -> None:
        """Let go of the box."""
        self._box.close()

    def _left(self, at: datetime) -> list[Asked]:
        for name in self._taken:
            self._take_away(name, self._box.remove)
        self._taken.clear()
        found: list[Asked] = []
        for name, body in self._box.found():
            if name in self._stuck:
                continue
            request = _read(body, at, self._read_hook)
            if request is None:
                self._take_away(name, self._box.set_aside)
            else:
                self._taken.append(name)
                found.append(request)
        return found

    def _take_away(self, name: str, way: Callable[[str], bool]) -> None:
        """Take a request out of the box; one that stays there is not looked at again, and no reason to end."""
        if not way(name):
            self._stuck.add(name)
            log.warning("the request %s cannot be removed from the box of the store: %s", name, STUCK_HELP)

    def _read_hook(self, data: Mapping[str, Any], at: datetime) -> WebhookReceived:
        """Return a web hook with the time at which it came; where time is made up, that is so long before now."""
        now = self._wall()
        seconds = max((now - int(data["received"])) // NANOSECONDS, 0)
        known = at if self._is_simulated else datetime.fromtimestamp(now // NANOSECONDS, UTC)
        came = known - timedelta(seconds=seconds + self._ahead())
        return WebhookReceived(at=at, id=str(data["id"]), name=str(data["hook"]), says=str(data["says"]), came=came)


def _read(body: str, at: datetime, read_hook: Callable[[Mapping[str, Any], datetime], WebhookReceived]) -> Asked | None:
    try:
        data = json.loads(body)
        if "hook" in data:
            return read_hook(data, at)
        bot, position = (str(data.get(name, "")) for name in ("bot", "position"))
        values = tuple((str(name), str(text)) for name, text in dict(data.get("values") or {}).items())
        named = named_from(data) or Named(())
        request = Request(data["request"])
        edits = tuple((str(path), str(change)) for path, change in dict(data.get("edits") or {}).items())
        return OperatorRequest(
            at,
            str(data["id"]),
            request,
            bot,
            position,
            values,
            legs=named.legs,
            alternative=named.alternative,
            edits=edits,
            by=str(data.get("by", "")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None  # other files there end no engine


# --- What a person asks of an engine from the page or the terminal

_WILL = {
    Request.PAUSE: "to enter nothing more; a working entry continues, positions stay open, and their exits continue",
    Request.RESUME: "to enter again when the spec says so",
    Request.CLOSE: "is closed as soon as it can be; its bot may enter again when its spec says so",
    Request.KEEP: "is no longer being closed, as requested: its exits continue",
    Request.FLATTEN: "to close what is held, and to open nothing until Start or 'rulebot resume', also after a restart",
    Request.ENTER: "to enter at once; its limits and what its legs must offer hold",
}

_OF_ONE = (Request.CLOSE, Request.KEEP)
"""What is asked of one position."""
LEFT_UNSEEN = (Request.PAUSE, Request.FLATTEN)
"""Requests that are left even if the store is unreadable: they open nothing and cannot wait."""


class UnknownTargetError(MisuseError):
    """A bot that the store does not know, or a position that is not open."""


@dataclass(frozen=True, slots=True)
class Left:
    """A request that was left. message: whose it is and what will happen; engine_runs: whether one reads it now."""

    message: str
    engine_runs: bool


def leave(
    store: Place,
    request: Request,
    bot: str = "",
    position: str = "",
    identity: str = "",
    named: Named | None = None,
) -> Left:
    """Leave a request for the engine of a store; "" is all bots, and a position names its bot.

    identity: names the request where it may be left twice; it acts once. named: the structure to be entered, None where
    the bot chooses it. Raises: UnknownTargetError, NoEngineError for an entry and where none will ever run; MisuseError
    for an entry of a bot that chooses among symbols, for a position that is missing, makes no sense or is another
    bot's, and for one to be kept without a requested close, or that is already closing; StoreError.
    """
    if (request in _OF_ONE) is not bool(position):
        raise MisuseError("close and keep say which position, by its `position`; nothing else does")
    try:
        bot, held = _checked(store, request, bot, position, is_named=named is not None)
        adopted = [*adoptions(store, bot)] if request is Request.RESUME else []
    except StoreError:
        if request not in LEFT_UNSEEN:
            raise
        held, adopted = [], []
    is_running = post(store, request, bot, identity, position, named=named)
    whose = position or (f"{bot} is asked" if bot else "all bots are asked")
    later = "" if is_running else "; no engine runs: the next one does so before anything else"
    said = "; but ".join([f"{whose} {_WILL[request]}{later}", *held])
    return Left("; ".join([said, *adopted]), is_running)


def adoptions(store: Place, bot: str) -> Iterator[str]:
    """Yield what becomes of each position of a bot ("": of all) that the account holds otherwise than our books."""
    with StoreReader(store) as reader:
        for name in reader.on_hold():
            last = reader.last_record(Kind.POSITION, name)
            position = None if last is None else decode(Position, dict(last[1].data))
            if position is not None and position.hold in GOES_ON and bot in ("", position.bot):
                yield f"{name}: {_adoption(position)}"


def _adoption(position: Position) -> str:
    """Return how the books of a position adopt the account's quantity, or why they do not."""
    legs = {leg.name: leg for leg in position.legs}
    absent = [(legs[each.leg], each) for each in position.account_missing if each.absent]
    unpriced = [leg for leg, each in absent if each.price is None]
    if position.hold is HoldReason.OPENED_AGAIN:
        return "what the account holds again counts as the bot's, and its exits act on all of it"
    if unpriced:
        how = f"rulebot store correct {position.id} PRICE --leg {unpriced[0].name}"
        return f"not adopted, since {unpriced[0].option} has had no quote since. Give its price with '{how}'"
    if not absent:
        return "its exits act on all of it again"
    booked = (
        f"{each.absent} {leg.option} at {each.price.normalize():f}" for leg, each in absent if each.price is not None
    )
    return f"its books adopt the account's quantity; closed by others: {', '.join(booked)} (an estimate)"


def _checked(
    store: Place, request: Request, bot: str, position: str, *, is_named: bool = False
) -> tuple[str, list[str]]:
    """Return the bot that is meant, and what of it will not be closed all the same. Raises: as `leave`."""
    with StoreReader(store) as reader:
        run = reader.run()
        if request is Request.ENTER and run.state() == "stopped":
            raise NoEngineError("no engine runs: it cannot enter")
        if position:
            owner = _bot_of(reader, position)
            if bot not in ("", owner):
                raise MisuseError(f"{position} is a position of {owner}, not of {bot[:60]}")
            bot = owner
        if bot and bot not in reader.bots():
            raise UnknownTargetError(f"this store knows no bot '{bot[:60]}'")
        if request is Request.KEEP:
            _check_waits(reader, run, waiting_requests(store), bot, position)
        if request is Request.ENTER and not is_named and _has_universe(run, bot):
            raise MisuseError(asking_words.enters_by_itself(bot))
        closes = request in (Request.CLOSE, Request.FLATTEN)
        return bot, [*held_back(reader, bot, position)] if closes else []


def _check_waits(reader: StoreReader, run: Run, waiting: Iterable[Mapping[str, Any]], bot: str, position: str) -> None:
    """Check that a position has a requested close. Raises: MisuseError."""
    last = reader.last_record(Kind.POSITION, position)
    if last is not None and decode(Position, dict(last[1].data)).is_flattening:
        raise MisuseError(f"{position} is already being closed, as requested")
    if not must_close_after(run, waiting, bot, position):
        raise MisuseError(f"{position} was not asked to close: its exits continue")


def held_back(reader: StoreReader, bot: str = "", position: str = "") -> Iterator[str]:
    """Yield of each open position that is to be closed, and for which nothing is sent, why that is so."""
    for name, why in reader.on_hold().items():
        if name == position or (not position and bot in ("", *_owners(reader, name))):
            yield f"{name} is on hold: {why}"


def _has_universe(run: Run, bot: str) -> bool:
    """Say whether a bot chooses among symbols, by its run's spec; unknown counts as no."""
    if bot not in run.specs:
        return False
    try:
        return bool(compile_text(spec_texts({bot: run.specs[bot]})[0]).members)
    except RulebotError:
        return False


def _owners(reader: StoreReader, position: str) -> list[str]:
    """Return the bot of a position, open or over by now."""
    return [str(row["strategy_id"]) for row in reader.view("trades", position=position)]


def _bot_of(reader: StoreReader, position: str) -> str:
    rows = reader.view("trades", position=position)
    if not rows:
        raise UnknownTargetError(f"nothing open is called '{position[:60]}'")
    if rows[0]["status"] == "CLOSED":
        how, at = end_of_row(rows[0]), rows[0]["exit_time"]
        raise UnknownTargetError(f"{position} is closed already: {how}, {at} New York")
    if wrong := error_text(rows[0]):
        raise UnknownTargetError(f"{position} is over, {wrong}", "nothing is sent for it: see to it in TWS")
    return str(rows[0]["strategy_id"])


# --- How often bots have entered, or were asked to


def entries(entered: Mapping[str, int], run: Run, waiting: Iterable[Mapping[str, Any]] = ()) -> Counter[str]:
    """Return by bot its number of trades (`entered`), and entries requested since the run began.

    waiting: requests in the box of the store; a recorded request may still be there, and counts once.
    """
    asked = {str(each.get("id")): str(each.get("bot")) for each in waiting if _is_entry(each)}
    asked |= {str(each.data.get("id")): each.bot for each in run.requests if _is_entry(each.data)}
    return Counter(entered) + Counter(asked.values())


def entries_by_now(store: Place, bot: str) -> int:
    """Return how many a bot has now, and was asked for, those that lie in the box included. Raises: StoreError."""
    with StoreReader(store) as reader:
        return entries(reader.entered(bot), reader.run(), waiting_requests(store))[bot]


def _is_entry(reported: Mapping[str, Any]) -> bool:
    return reported.get("request") == Request.ENTER.value
