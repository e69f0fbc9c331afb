"""What chaos says where specs change: each position by the text of its time, each reload as the files said."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hand_desk import bot_of

from rulebot.chaos.limits_check import ChaosResult, governed
from rulebot.chaos.spec_files import RecordedVersion, edited
from rulebot.core.program import CompiledBot
from rulebot.model.contract import Option, Right
from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side
from rulebot.model.position import Position
from rulebot.record.codec import encode
from rulebot.record.record import Kind, Record
from rulebot.spec.files import shipped

BOT, ID = "put_lite", "reload-1"
NOON = datetime(2026, 10, 21, 16, 0, tzinfo=UTC)
PUT = Option("SPX", "SPXW", date(2026, 10, 21), Decimal(5900), Right.PUT, con_id=5900)


@pytest.fixture(scope="module")
def old() -> CompiledBot:
    return bot_of((shipped("specs") / f"{BOT}.yaml").read_text())


@pytest.fixture(scope="module")
def new() -> CompiledBot:
    text = (shipped("specs") / f"{BOT}.yaml").read_text()
    return bot_of(edited(text, ("exits", 0, "time"), '"12:05"'))


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def runs(bot: CompiledBot) -> dict[str, Any]:
    return {"specs": {BOT: {"digest": bot.plan.digest}}}


def reload(second: int, what: str, **data: Any) -> Record:
    known = {"id": ID, "changes": [{"bot": BOT}], "limit_changes": []} if what == "asked" else {}
    return Record(at(second), Kind.RELOAD, data={"what": what, **known, **data})


def entry(second: int, bot: CompiledBot) -> Record:
    order = Order(
        ref=f"rb:{second}", number=second, bot=BOT, position="p1", purpose=Purpose.ENTRY, reason="",
        legs=(OrderLeg("short_put", PUT, Side.SELL),), side=Side.SELL, quantity=1, kind=OrderType.LIMIT,
        status=OrderStatus.WORKING, order_id=second, perm_id=second, prepared_at=at(second), changed_at=at(second),
        digest=bot.plan.digest,
    )  # fmt: skip
    return Record(at(second), Kind.ORDER, BOT, "p1", cast(Any, encode(order)))


def said(
    files: Sequence[CompiledBot],
    *records: Record,
    positions: Sequence[Position] = (),
    reported: Sequence[RecordedVersion] = (),
) -> list[str]:
    """Return what is said of a trial that began with the first of these texts."""
    day = SimpleNamespace(
        records=(Record(NOON, Kind.RUN_STARTED, data=runs(files[0])), *records),
        positions={each.id: each for each in positions},
        orders={},
    )
    left = SimpleNamespace(day=day, texts={bot.plan.digest: bot for bot in files}, reported=reported)
    return list(governed(cast(ChaosResult, left)))


def reported(bot: CompiledBot | None) -> tuple[RecordedVersion]:
    return (RecordedVersion(ID, None if bot is None else ((BOT, bot.plan.digest),)),)


def test_an_entry_is_by_the_text_that_runs(old: CompiledBot, new: CompiledBot) -> None:
    taken_up = reload(2, "asked"), reload(3, "applied", **runs(new))
    assert said([old, new], entry(1, old), *taken_up, entry(4, new), reported=reported(new)) == []
    (late,) = said([old, new], *taken_up, entry(4, old), reported=reported(new))
    assert f"enters by {old.plan.digest[:8]}, which did not run" in late
    (early,) = said([old, new], entry(1, new), *taken_up, reported=reported(new))
    assert "which did not run" in early


def test_an_entry_beside_a_reload_that_waits_is_seen(old: CompiledBot, new: CompiledBot) -> None:
    waits, over = (reload(2, "asked"), reload(2, "waits", reason="p1")), reload(5, "applied", **runs(new))
    (words,) = said([old, new], *waits, entry(4, old), over, reported=reported(new))
    assert "while a reload waited to be taken up" in words
    restarted = Record(at(3), Kind.RUN_STARTED, data=runs(new))
    assert said([old, new], *waits, restarted, entry(4, new), reported=reported(new)) == []


def test_an_exit_by_the_clock_is_at_the_time_of_the_text_of_its_position(old: CompiledBot, new: CompiledBot) -> None:
    def left_at(minute: int, bot: CompiledBot) -> list[str]:
        position = Position(
            id="p1", bot=BOT, digest=bot.plan.digest, state="open", session=NOON.date(), quantity=1, legs=()
        )
        data = {"what": "exit", "reason": "time", "values": []}
        return said([old, new], Record(at(60 * minute), Kind.DECISION, BOT, "p1", data), positions=[position])

    assert left_at(5, new) == left_at(210, old) == []
    (words,) = left_at(5, old)
    assert "its text says 19:30:00 UTC" in words
    stranger = bot_of((shipped("specs") / "dte0_condor.yaml").read_text())
    (unknown,) = left_at(5, stranger)
    assert "which no file ever said" in unknown


def test_what_came_of_a_reload_is_what_the_files_said(old: CompiledBot, new: CompiledBot) -> None:
    assert said([old], reload(1, "refused", id=ID, reason="RB112"), reported=reported(None)) == []
    (taken,) = said([old, new], reload(1, "asked"), reload(1, "applied", **runs(new)), reported=reported(None))[:1]
    assert "of files that could not be run, came: asked" in taken
    (refused,) = said([old, new], reload(1, "refused", id=ID, reason="RB112"), reported=reported(new))
    assert "of files that could be run, came: refused RB112" in refused
    (other,) = said([old, new], reload(1, "asked"), reload(2, "applied", **runs(old)), reported=reported(new))
    assert "other texts were taken up" in other


def test_a_reload_that_waits_for_nothing_is_seen(old: CompiledBot, new: CompiledBot) -> None:
    waits = reload(1, "asked"), reload(1, "waits", reason="the connection")
    (words,) = said([old, new], *waits, reported=reported(new))
    assert "waits at the end for the connection" in words
    refused = reload(2, "refused", id="reload-2", reason="RB112")
    both = (*reported(new), RecordedVersion("reload-2", None))
    assert len(said([old, new], *waits, refused, reported=both)) == 1, "the older one goes on waiting"
    assert said([old, new], *waits, reload(2, "refused", reason="no such contract"), reported=reported(new)) == []


def test_nothing_is_said_of_a_trial_whose_files_stayed(old: CompiledBot) -> None:
    left = SimpleNamespace(
        day=SimpleNamespace(records=(entry(1, old),), positions={}, orders={}), texts={}, reported=()
    )
    assert list(governed(cast(ChaosResult, left))) == []
