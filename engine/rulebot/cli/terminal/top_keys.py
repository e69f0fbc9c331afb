"""The keys of `rulebot top`: what each does to what is chosen, as a function of the picture alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from rulebot.model.event import Request
from rulebot.model.values import dataclass
from rulebot.narrate import notices as words
from rulebot.narrate.snapshot import AT_REST, BotSnapshot, PositionSnapshot, Snapshot

QUIT = "q"
KEYS = (
    ("j k, arrows", "choose a row; g and G the first and the last"),
    ("p", "pause the bot: it enters nothing more"),
    ("r", "resume the bot"),
    ("e", "have the bot enter at once, by hand"),
    ("c", "close the position; of one that waits for that: keep it"),
    ("C", "close all, and open nothing more"),
    ("s", "stop: no bot enters anything more"),
    ("S", "start: bots may enter again"),
    ("a", "acknowledge all alerts"),
    ("?", "this help"),
    ("q", "leave; the engine continues"),
)
"""Every key with what it does, for the help."""
_NO_READER = "no engine runs on this store"


class Row(NamedTuple):
    """What can be chosen: a bot, or one position of it."""

    bot: str
    position: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmQuestion:
    """What is done once it is answered with y. words: what will happen; request: None acknowledges all alerts up to
    the newest one of when it was asked, `until`.
    """

    title: str
    words: str
    request: Request | None
    bot: str = ""
    position: str = ""
    until: int = 0


@dataclass(frozen=True, slots=True)
class Focus:
    """Where the person is: the row that is chosen, what is asked, what was said last."""

    chosen: Row | None = None
    question: ConfirmQuestion | None = None
    said: str = ""
    is_helping: bool = False


def rows_of(picture: Snapshot) -> tuple[Row, ...]:
    """Return what can be chosen, in its order: bots, then positions."""
    positions = (Row(each.bot, each.id) for each in picture.positions)
    return (*(Row(each.bot) for each in picture.bots), *positions)


def present(focus: Focus, picture: Snapshot) -> Focus:
    """Return a valid focus: a closed position is replaced by its bot."""
    rows = rows_of(picture)
    if focus.chosen in rows:
        return focus
    bot = None if focus.chosen is None else Row(focus.chosen.bot)
    return replace(focus, chosen=bot if bot in rows else next(iter(rows), None))


def after_key(
    focus: Focus, key: str, picture: Snapshot, waiting: int = 0, newest: int = 0
) -> tuple[Focus, ConfirmQuestion | None]:
    """Return the focus after a key, and the question that it answers with yes.

    waiting: alerts to be acknowledged; newest: the number of the last one that was read.
    """
    focus = present(focus, picture)
    if (question := focus.question) is not None:
        if key == "y":
            return replace(focus, question=None, said=""), question
        if key in ("n", "q", "escape"):
            return replace(focus, question=None, said="nothing was asked for"), None
        return focus, None
    if focus.is_helping:
        return replace(focus, is_helping=False), None
    if key == "?":
        return replace(focus, is_helping=True, said=""), None
    if key in _MOVES:
        return _moved(focus, key, picture), None
    if key == "a":
        found: ConfirmQuestion | str = _acknowledging(waiting, newest)
    elif (asks := _ASKS.get(key)) is not None:
        found = _NO_READER if picture.engine == "stopped" else asks(focus.chosen, picture)
    else:
        return focus, None
    if isinstance(found, str):
        return replace(focus, said=found), None
    return replace(focus, question=found, said=""), None


_MOVES: dict[str, Callable[[int, int], int]] = {
    "down": lambda at, _: at + 1,
    "j": lambda at, _: at + 1,
    "up": lambda at, _: at - 1,
    "k": lambda at, _: at - 1,
    "home": lambda _, count: 0,
    "g": lambda _, count: 0,
    "end": lambda _, count: count - 1,
    "G": lambda _, count: count - 1,
}


def _moved(focus: Focus, key: str, picture: Snapshot) -> Focus:
    rows = rows_of(picture)
    if focus.chosen is None:
        return focus
    at = _MOVES[key](rows.index(focus.chosen), len(rows))
    return replace(focus, chosen=rows[min(max(at, 0), len(rows) - 1)], said="")


# ---------------------------------------------------------------- what each key asks; a string says why it does not


def _bot(chosen: Row | None, picture: Snapshot) -> BotSnapshot | None:
    return None if chosen is None else next((each for each in picture.bots if each.bot == chosen.bot), None)


def _pause(chosen: Row | None, picture: Snapshot) -> ConfirmQuestion | str:
    bot = _bot(chosen, picture)
    if bot is None:
        return "no bot is chosen"
    if bot.is_paused:
        return f"{bot.bot} is paused already: r resumes it"
    return ConfirmQuestion(f"Pause {bot.bot}", words.pause(bot.bot), Request.PAUSE, bot.bot)


def _resume(chosen: Row | None, picture: Snapshot) -> ConfirmQuestion | str:
    bot = _bot(chosen, picture)
    if bot is None:
        return "no bot is chosen"
    if not bot.is_paused:
        all_are = "" if picture.trading == "active" else ", all bots are: S starts them"
        return f"{bot.bot} is not paused{all_are}"
    return ConfirmQuestion(f"Resume {bot.bot}", words.resume(bot.bot), Request.RESUME, bot.bot)


def _enter(chosen: Row | None, picture: Snapshot) -> ConfirmQuestion | str:
    bot = _bot(chosen, picture)
    if bot is None:
        return "no bot is chosen"
    if bot.has_universe:
        return words.enters_by_itself(bot.bot)
    if bot.is_paused:
        return f"{bot.bot} is paused: r resumes it"
    if picture.trading != "active":
        return "no bot may enter: S starts them"
    if bot.doing not in AT_REST:
        return f"{bot.bot} is {bot.doing}: by hand it enters while it is flat or watching"
    return ConfirmQuestion(f"Enter {bot.bot}", words.enter(bot.bot), Request.ENTER, bot.bot)


def _close(chosen: Row | None, picture: Snapshot) -> ConfirmQuestion | str:
    position = _position(chosen, picture)
    if isinstance(position, str):
        return position
    if position.is_flattening:
        return f"{position.structure} of {position.bot} is being closed already, as asked"
    if position.waits_to_close:
        asked = words.keep(position.structure, position.bot)
        return ConfirmQuestion(
            f"Keep {position.structure} of {position.bot}", asked, Request.KEEP, position.bot, position.id
        )
    title = f"Close {position.structure} of {position.bot}"
    asked = words.close(position.structure, position.bot)
    return ConfirmQuestion(title, asked, Request.CLOSE, position.bot, position.id)


def _position(chosen: Row | None, picture: Snapshot) -> PositionSnapshot | str:
    if chosen is None:
        return "nothing is open"
    held = [each for each in picture.positions if each.bot == chosen.bot]
    found = [each for each in held if each.id == chosen.position] or held
    if len(found) == 1:
        return found[0]
    return f"{chosen.bot} has {len(held)} positions: choose one of them" if held else f"{chosen.bot} holds nothing"


def _close_all(_: Row | None, __: Snapshot) -> ConfirmQuestion | str:
    return ConfirmQuestion("Close all", words.CLOSE_ALL, Request.FLATTEN)


def _stop(_: Row | None, picture: Snapshot) -> ConfirmQuestion | str:
    if picture.trading != "active":
        return "no bot may enter as it is: S starts them"
    return ConfirmQuestion("Stop", words.STOP_ALL, Request.PAUSE)


def _start(_: Row | None, picture: Snapshot) -> ConfirmQuestion | str:
    if picture.trading == "active" and not any(each.is_paused for each in picture.bots):
        return "bots may enter as it is"
    return ConfirmQuestion("Start", words.START_ALL, Request.RESUME)


def _acknowledging(waiting: int, newest: int) -> ConfirmQuestion | str:
    if not waiting:
        return "no alert is to be acknowledged"
    return ConfirmQuestion("Acknowledge all", words.ACKNOWLEDGE_ALL, None, until=newest)


_ASKS: dict[str, Callable[[Row | None, Snapshot], ConfirmQuestion | str]] = {
    "p": _pause,
    "r": _resume,
    "e": _enter,
    "c": _close,
    "C": _close_all,
    "s": _stop,
    "S": _start,
}
