"""Keys of `rulebot top` to requests: what each asks of what is chosen, and why it does not."""

from dataclasses import replace

import pytest

from rulebot.cli.terminal.top import keys_in
from rulebot.cli.terminal.top_keys import KEYS, ConfirmQuestion, Focus, Row, after_key, present, rows_of
from rulebot.model.event import Request
from rulebot.narrate import notices as words
from rulebot.narrate.snapshot import BotActivity, BotSnapshot, PositionSnapshot, Snapshot


def position(bot: str, number: int = 1, state: str = "open") -> PositionSnapshot:
    return PositionSnapshot(
        id=f"{bot}-{number}", bot=bot, structure=f"{number}p", state=state, dte=0, entry=1.0, mid=0.5,
        profit=50.0,
    )  # fmt: skip


PICTURE = Snapshot(
    at=None,
    engine="running",
    trading="active",
    bots=(
        BotSnapshot(bot="flat_one", doing=BotActivity.FLAT),
        BotSnapshot(bot="holder", doing=BotActivity.OPEN),
        BotSnapshot(bot="paused_one", doing=BotActivity.PAUSED, is_paused=True),
        BotSnapshot(bot="several", doing=BotActivity.OPEN),
        BotSnapshot(bot="chooser", doing=BotActivity.WATCHING, has_universe=True),
    ),
    positions=(position("holder"), position("several", 1), position("several", 2, "exiting")),
)
STOPPED = replace(PICTURE, engine="stopped", trading="stopped")
REDUCING = replace(PICTURE, trading="reducing")


def pressed(
    keys: str, bot: str = "flat_one", place: str = "", picture: Snapshot = PICTURE
) -> tuple[Focus, list[ConfirmQuestion]]:
    """Return the focus after keys, and what was answered with yes."""
    focus, answered = Focus(chosen=Row(bot, place)), []
    for key in keys:
        focus, yes = after_key(focus, key, picture, waiting=2)
        answered += [] if yes is None else [yes]
    return focus, answered


@pytest.mark.parametrize(
    ("key", "bot", "place", "picture", "asked", "request_", "of"),
    [
        ("p", "flat_one", "", PICTURE, words.pause("flat_one"), Request.PAUSE, ("flat_one", "")),
        ("p", "holder", "holder-1", PICTURE, words.pause("holder"), Request.PAUSE, ("holder", "")),
        ("r", "paused_one", "", PICTURE, words.resume("paused_one"), Request.RESUME, ("paused_one", "")),
        ("e", "flat_one", "", PICTURE, words.enter("flat_one"), Request.ENTER, ("flat_one", "")),
        ("c", "holder", "", PICTURE, words.close("1p", "holder"), Request.CLOSE, ("holder", "holder-1")),
        ("c", "several", "several-1", PICTURE, words.close("1p", "several"), Request.CLOSE, ("several", "several-1")),
        ("C", "flat_one", "", PICTURE, words.CLOSE_ALL, Request.FLATTEN, ("", "")),
        ("C", "flat_one", "", REDUCING, words.CLOSE_ALL, Request.FLATTEN, ("", "")),
        ("s", "flat_one", "", PICTURE, words.STOP_ALL, Request.PAUSE, ("", "")),
        ("S", "flat_one", "", REDUCING, words.START_ALL, Request.RESUME, ("", "")),
        ("a", "flat_one", "", PICTURE, words.ACKNOWLEDGE_ALL, None, ("", "")),
    ],
)
def test_a_key_asks_and_y_does_it(
    key: str, bot: str, place: str, picture: Snapshot, asked: str, request_: Request | None, of: tuple[str, str]
) -> None:
    focus, answered = pressed(key, bot, place, picture)
    assert focus.question is not None
    assert focus.question.words == asked
    assert answered == []
    focus, (question,) = pressed(key + "y", bot, place, picture)
    assert (question.request, (question.bot, question.position)) == (request_, of)
    assert focus.question is None


@pytest.mark.parametrize("no", ["n", "q", "escape"])
def test_no_asks_for_nothing(no: str) -> None:
    focus, _ = pressed("C")
    focus, answered = after_key(focus, no, PICTURE)
    assert (focus.question, focus.said, answered) == (None, "nothing was asked for", None)


@pytest.mark.parametrize("other", ["enter", "p", "C", "Y", " ", "down"])
def test_nothing_else_answers_a_question(other: str) -> None:
    asked, _ = pressed("C")
    assert after_key(asked, other, PICTURE) == (asked, None)


@pytest.mark.parametrize(
    ("key", "bot", "picture", "said"),
    [
        ("p", "paused_one", PICTURE, "paused_one is paused already: r resumes it"),
        ("r", "flat_one", PICTURE, "flat_one is not paused"),
        ("r", "flat_one", REDUCING, "flat_one is not paused, all bots are: S starts them"),
        ("e", "holder", PICTURE, "holder is open: by hand it enters while it is flat or watching"),
        ("e", "paused_one", PICTURE, "paused_one is paused: r resumes it"),
        ("e", "chooser", PICTURE, "chooser chooses among symbols by its conditions: by hand it enters a row of a scan"),
        ("e", "flat_one", REDUCING, "no bot may enter: S starts them"),
        ("c", "flat_one", PICTURE, "flat_one holds nothing"),
        ("c", "several", PICTURE, "several has 2 positions: choose one of them"),
        ("s", "flat_one", REDUCING, "no bot may enter as it is: S starts them"),
        *((key, "flat_one", STOPPED, "no engine runs on this store") for key in "preccCsS"),
    ],
)
def test_what_cannot_be_done_is_said_and_not_asked(key: str, bot: str, picture: Snapshot, said: str) -> None:
    focus, answered = pressed(key, bot, picture=picture)
    assert (focus.question, focus.said, answered) == (None, said, [])


def test_what_an_exit_is_closing_may_be_closed_at_once_and_what_is_so_already_not_again() -> None:
    """Of a position whose half, or whose target, was at work nobody could have all of it closed."""
    question = pressed("c", "several", "several-2")[0].question
    assert question is not None
    assert (question.request, question.position) == (Request.CLOSE, "several-2")
    asked = replace(PICTURE, positions=(replace(PICTURE.positions[2], is_flattening=True),))
    assert pressed("c", "several", "several-2", asked)[0].said == "2p of several is being closed already, as asked"


def test_what_waits_to_be_closed_is_kept_by_the_same_key() -> None:
    waiting = replace(PICTURE, positions=(replace(PICTURE.positions[2], waits_to_close=True),))
    question = pressed("c", "several", "several-2", waiting)[0].question
    assert question is not None
    assert (question.title, question.request, question.position) == ("Keep 2p of several", Request.KEEP, "several-2")
    assert (
        question.words == "2p of several is no longer being closed, as requested: its exits continue, as its spec says."
    )


def test_start_ends_the_pauses_of_single_bots_too() -> None:
    assert pressed("S")[0].question is not None
    free = replace(PICTURE, bots=PICTURE.bots[:2])
    assert pressed("S", picture=free)[0].said == "bots may enter as it is"


def test_alerts_are_acknowledged_only_where_some_are_left() -> None:
    assert after_key(Focus(), "a", PICTURE)[0].said == "no alert is to be acknowledged"


def test_arrows_and_letters_move_over_bots_and_positions_and_stop_at_the_ends() -> None:
    rows = rows_of(PICTURE)
    assert [row.bot for row in rows] == [*(each.bot for each in PICTURE.bots), "holder", "several", "several"]
    moved = [pressed(keys)[0].chosen for keys in ("k", "j", "jj", "jjk", "G", "Gj", "Gg")]
    assert moved == [rows[at] for at in (0, 1, 2, 1, 7, 7, 0)]
    assert after_key(Focus(chosen=rows[0]), "down", PICTURE)[0].chosen == rows[1]
    assert after_key(Focus(chosen=rows[1]), "up", PICTURE)[0].chosen == rows[0]


def test_a_position_that_is_gone_gives_way_to_its_bot() -> None:
    focus = Focus(chosen=Row("holder", "holder-1"))
    assert present(focus, replace(PICTURE, positions=())).chosen == Row("holder")
    assert present(focus, replace(PICTURE, bots=(), positions=())).chosen is None
    assert present(Focus(), PICTURE).chosen == Row("flat_one")


def test_a_question_stays_about_what_was_chosen_when_it_was_asked() -> None:
    focus, _ = pressed("c", "holder", "holder-1")
    later, answered = after_key(focus, "y", replace(PICTURE, positions=()))
    assert answered is not None
    assert (answered.bot, answered.position, later.question) == ("holder", "holder-1", None)


@pytest.mark.parametrize("key", [*"preccCsSajkgG", "up", "down", "home", "end", "y", "n", "é"])
def test_an_empty_store_takes_every_key(key: str) -> None:
    empty = Snapshot(at=None, engine="running", trading="active")
    focus, answered = after_key(Focus(), key, empty)
    assert answered is None
    assert focus.chosen is None


def test_help_is_closed_by_any_key_which_does_nothing_else() -> None:
    focus, _ = pressed("?")
    assert focus.is_helping
    focus, answered = after_key(focus, "C", PICTURE)
    assert (focus.is_helping, focus.question, answered) == (False, None, None)


def test_help_names_every_key() -> None:
    named = {key for keys, _ in KEYS for key in keys.replace(",", "").split()}
    assert {"p", "r", "e", "c", "C", "s", "S", "a", "j", "k", "?", "q", "arrows"} == named


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("jk", ["j", "k"]),
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1bOA\x1bOB", ["up", "down"]),
        ("\x1b[H\x1b[F", ["home", "end"]),
        ("\x1b", ["escape"]),
        ("\x1by", ["escape", "y"]),
        ("\r\n", ["enter", "enter"]),
        ("\x1b[3~\x1b[1;5Cq", ["q"]),
        ("\x01\x7f?", ["?"]),
    ],
)
def test_what_a_terminal_sends_becomes_keys(sent: str, keys: list[str]) -> None:
    assert keys_in(sent) == keys
