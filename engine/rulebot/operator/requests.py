"""What a person asks of an engine from the page or the terminal: checked, left in its box, and said."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rulebot.core.state import Named
from rulebot.documents.load_bots import compile_text
from rulebot.model.errors import MisuseError, RulebotError, StoreError
from rulebot.model.event import Request
from rulebot.model.kept import end_of_row
from rulebot.model.position import GOES_ON, HoldReason, Position
from rulebot.model.values import dataclass
from rulebot.narrate import asking_words
from rulebot.narrate.trade_text import error_text
from rulebot.operator.request_inbox import NoEngineError, post
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from rulebot.recovery.operator_state import must_close_after
from rulebot.recovery.resume import spec_texts
from rulebot.store.place import Place
from rulebot.store.queries import Run, StoreReader
from rulebot.store.requests import waiting_requests

_WILL = {
    Request.PAUSE: "to enter nothing more; an entry at work is let be, positions stay, and their exits go on",
    Request.RESUME: "to enter again when the spec says so",
    Request.CLOSE: "is closed as soon as it can be; its bot may enter again when its spec says so",
    Request.KEEP: "is closed no more, as was asked: its exits go on",
    Request.FLATTEN: "to close what is held, and to open nothing until Start or 'rulebot resume', also after a restart",
    Request.ENTER: "to enter at once; its limits and what its legs must offer hold",
}

_OF_ONE = (Request.CLOSE, Request.KEEP)
"""What is asked of one position."""
LEFT_UNSEEN = (Request.PAUSE, Request.FLATTEN)
"""What is left for an engine also where its store cannot be read: nothing is opened by it, and it cannot wait."""


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

    identity: names the request where it may be left twice; it acts once. named: the structure that is to be entered,
    None where the bot chooses it.
    Raises: UnknownTargetError, NoEngineError for an entry and where none will ever run; MisuseError for an entry of a
    bot that chooses among symbols, for a position that is owed, makes no sense or is another bot's, and for one to be
    kept that nobody has asked to close, or that is being closed; StoreError.
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
    absent = [(legs[each.leg], each) for each in position.missed if each.absent]
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
            raise NoEngineError("no engine runs: there is nobody to enter")
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
    """See that a position waits to be closed, as somebody has asked. Raises: MisuseError."""
    last = reader.last_record(Kind.POSITION, position)
    if last is not None and decode(Position, dict(last[1].data)).is_flattening:
        raise MisuseError(f"{position} is being closed already, as was asked: that goes on")
    if not must_close_after(run, waiting, bot, position):
        raise MisuseError(f"nobody has asked for {position} to be closed: its exits go on as they are")


def held_back(reader: StoreReader, bot: str = "", position: str = "") -> Iterator[str]:
    """Yield of each open position that is to be closed, and for which nothing is sent, why that is so."""
    for name, why in reader.on_hold().items():
        if name == position or (not position and bot in ("", *_owners(reader, name))):
            yield f"{name} is on hold: {why}"


def _has_universe(run: Run, bot: str) -> bool:
    """Say whether a bot chooses among symbols, as its run has it; of a text that cannot be read nobody can say so."""
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
