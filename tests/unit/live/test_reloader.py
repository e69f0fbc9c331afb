"""The engine's side of a reload: what is planned, what is waited for, and that nothing open waits for the broker."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hand_desk import DAY, text_of
from hand_desk import Desk as HandDesk

from rulebot.core.handle_event import handle_event
from rulebot.core.program import Program
from rulebot.documents.load_bots import (
    SpecSources,
    limit_words,
    limits_as_json,
    load_all_bots,
    reread,
    sources_as_json,
    sources_of,
)
from rulebot.live.loop import Loop
from rulebot.live.reload import ASK_AGAIN, WAITS_LONG, LiveRun, Reloader, refuse_account
from rulebot.model.errors import BrokerError, MisuseError, RulebotError, SpecError, StoreError, UnavailableError
from rulebot.model.event import OperatorRequest, Request
from rulebot.model.facts import Listing
from rulebot.model.session import Session, session_after
from rulebot.narrate.happenings import event_line
from rulebot.operator_requests.requests import clear_box, post
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import resume
from rulebot.store.requests import folder_of
from rulebot.store.sqlite import hold_store

LATER = '{window: {from: "11:30", to: "13:00"}}'
ACCOUNT = "rulebot_account: 1\nabout: Limits of a test.\naccount: DU1234567\nrisk: {max_open: 3, daily_loss: $500}\n"


class SlowFeed:
    """Answers on listings when it is let to; `problem` is raised instead."""

    def __init__(self, listings: list[Listing]) -> None:
        self.may_answer = asyncio.Event()
        self.problem: BrokerError | None = None
        self.asked = 0
        self._listings = {(each.symbol, each.trading_class): each for each in listings}

    async def listing(self, symbol: str, trading_class: str) -> Listing:
        self.asked += 1
        await self.may_answer.wait()
        if self.problem is not None:
            raise self.problem
        return self._listings[symbol, trading_class]

    async def hours(self, symbol: str, session: Session) -> None:
        """Tell nothing: the calendar's hold."""


@dataclass
class Engine:
    """A loop played by hand, and the reloader between it and what is asked."""

    folder: Path
    hand: HandDesk = field(default_factory=HandDesk)
    asked: list[OperatorRequest] = field(default_factory=list)
    is_lockstep: bool = False

    def __post_init__(self) -> None:
        self.write(spread=text_of())
        self.hand.until("10:00")
        self.hand.fill(self.hand.last)
        self.feed = SlowFeed(list(self.hand.listings()))
        self.notes: list[Record] = []
        desk = load_all_bots([str(self.folder / "specs")], {}, None)
        self.hand.program = desk.program("abc123", {}, 90)
        loop = SimpleNamespace(
            program=self.hand.program,
            state=self.hand.state,
            feed=self.feed,
            link=SimpleNamespace(is_lockstep=self.is_lockstep),
            note=lambda *records: self.notes.extend(records),
            exchange=self._exchange,
            receive=self._receive,
        )
        self.loop = loop
        self.reloader = Reloader(desk, cast(Loop, loop), lambda at: [self.asked.pop()] if self.asked else [])

    def _exchange(self, program: Program, result: Any, facts: Any, applied: Record, reported: Any) -> None:
        self.notes.append(applied)
        self.loop.program, self.loop.state = program, result.state
        self.facts = list(facts)

    def _receive(self, event: Any) -> None:
        self.loop.state = handle_event(self.loop.program, self.loop.state, event).state

    def write(self, **texts: str) -> None:
        place = self.folder / "specs"
        place.mkdir(exist_ok=True)
        for name, text in texts.items():
            (place / f"{name}.yaml").write_text(text, encoding="utf-8")

    def ask(self) -> None:
        at = self.hand.now
        self.asked.append(OperatorRequest(at, f"r{len(self.notes)}", Request.RELOAD))
        assert self.reloader.read(at) == []

    async def step(self, seconds: float = 1.0) -> None:
        self.hand.now += timedelta(seconds=seconds)
        await self.reloader.step(self.hand.now)
        for _ in range(3):
            await asyncio.sleep(0)

    @property
    def said(self) -> list[tuple[str, str]]:
        notes = [note for note in self.notes if note.kind is Kind.RELOAD]
        return [(str(note.data["what"]), str(note.data.get("reason", ""))) for note in notes]

    @property
    def alarms(self) -> list[str]:
        return [str(note.data["text"]) for note in self.notes if note.kind is Kind.ALARM]


def played(test: Callable[[Engine], Coroutine[Any, Any, None]], folder: Path, **options: Any) -> None:
    async def body() -> None:
        await asyncio.wait_for(test(Engine(folder, **options)), 30)

    asyncio.run(body())


def forget_listings(engine: Engine) -> None:
    state = engine.loop.state
    engine.loop.state = state._replace(market=replace(state.market, facts=replace(state.market.facts, listings={})))


# ---------------------------------------------------------------- what a new bot needs to know


def test_the_loop_continues_while_the_broker_is_asked_for_what_a_new_bot_needs(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        forget_listings(engine)
        engine.write(other=text_of("other", entry=LATER))
        engine.ask()
        for _ in range(3):
            await engine.step()
        assert [what for what, _ in engine.said] == ["asked", "waits"]
        assert "the broker's answers" in engine.said[-1][1]
        assert engine.feed.asked == 1
        engine.feed.may_answer.set()
        await engine.step()
        await engine.step()
        assert engine.said[-1][0] == "applied"
        assert set(engine.loop.program.bots) == {"spread", "other"}
        assert {event.at for event in engine.facts} == {engine.hand.now}

    played(body, tmp_path)


def test_what_is_known_is_not_asked_again(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        engine.write(other=text_of("other", entry=LATER))
        engine.ask()
        await engine.step()
        await engine.step()
        assert engine.said[-1][0] == "applied"
        assert (engine.feed.asked, engine.facts) == (0, [])

    played(body, tmp_path)


def test_a_broker_that_cannot_answer_is_asked_again_in_a_minute(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        forget_listings(engine)
        engine.feed.may_answer.set()
        engine.feed.problem = BrokerError("no answer")
        engine.write(other=text_of("other", entry=LATER))
        engine.ask()
        for _ in range(5):
            await engine.step()
        assert engine.said[-1] == ("waits", "the broker's answers: no answer")
        assert engine.feed.asked == 1
        engine.feed.problem = None
        await engine.step(ASK_AGAIN.total_seconds())
        await engine.step()
        assert engine.said[-1][0] == "applied"
        assert engine.feed.asked == 2

    played(body, tmp_path)


def test_what_was_asked_for_on_an_earlier_day_is_asked_for_again(tmp_path: Path) -> None:
    """An exit began meanwhile and was waited for over the night: closes of the day before took the place of today's."""

    async def body(engine: Engine) -> None:
        forget_listings(engine)
        engine.write(other=text_of("other", entry=LATER))
        engine.ask()
        await engine.step()
        assert engine.feed.asked == 1
        engine.feed.may_answer.set()
        await asyncio.sleep(0)
        engine.loop.state = engine.loop.state._replace(
            schedule=replace(engine.loop.state.schedule, session=session_after(engine.loop.state.schedule.session.date))
        )
        await engine.step()
        assert engine.said[-1][0] == "waits"
        for _ in range(2):
            await engine.step()
        assert (engine.said[-1][0], engine.feed.asked) == ("applied", 2)

    played(body, tmp_path)


def test_what_the_broker_does_not_have_refuses_all_of_it_with_an_alarm(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        forget_listings(engine)
        engine.feed.may_answer.set()
        engine.feed.problem = UnavailableError("SPX", "the broker refused the contract of SPX", "write another")
        engine.write(other=text_of("other", entry=LATER))
        engine.ask()
        for _ in range(3):
            await engine.step()
        reason = "other cannot run: the broker refused the contract of SPX; write another"
        assert engine.said[-1] == ("refused", reason)
        assert engine.alarms == [f"a reload is refused, and nothing of it is taken up: {reason}"]
        assert set(engine.loop.program.bots) == {"spread"}
        await engine.step(ASK_AGAIN.total_seconds())
        assert (engine.feed.asked, engine.loop.state.requests.reloading) == (1, frozenset())

    played(body, tmp_path)


def test_what_a_plan_that_waits_touches_enters_nothing_and_after_five_minutes_a_person_is_notified(
    tmp_path: Path,
) -> None:
    async def body(engine: Engine) -> None:
        forget_listings(engine)
        engine.feed.may_answer.set()
        engine.feed.problem = BrokerError("no answer")
        engine.write(other=text_of("other", entry=LATER), spread=text_of(exits='[{time: "14:00", order: market}]'))
        engine.ask()
        await engine.step()
        assert engine.loop.state.requests.reloading == {"other", "spread"}
        await engine.step(WAITS_LONG.total_seconds() - 2)
        assert not engine.alarms
        for _ in range(3):
            await engine.step()
        words = "a reload has waited five minutes for the broker's answers: no answer: what it touches enters nothing"
        assert engine.alarms == [f"{words} until it is taken up"]
        (engine.folder / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
        engine.reloader.account = "DU1234567"
        engine.ask()
        await engine.step()
        assert engine.loop.state.requests.reloading == {""}
        (engine.folder / "account.yaml").unlink()
        (engine.folder / "specs" / "other.yaml").unlink()
        engine.write(spread=text_of())
        engine.ask()
        await engine.step()
        assert (engine.said[-1][0], engine.loop.state.requests.reloading) == ("nothing", frozenset())

    played(body, tmp_path)


def test_in_lockstep_it_is_asked_at_once(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        forget_listings(engine)
        engine.feed.may_answer.set()
        engine.write(other=text_of("other", entry=LATER))
        engine.ask()
        await engine.step()
        assert [what for what, _ in engine.said] == ["asked", "applied"]

    played(body, tmp_path, is_lockstep=True)


# ---------------------------------------------------------------- one plan at a time


def test_files_that_are_as_before_take_the_plan_back(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        forget_listings(engine)
        engine.write(other=text_of("other", entry=LATER))
        engine.ask()
        await engine.step()
        (engine.folder / "specs" / "other.yaml").unlink()
        engine.ask()
        engine.feed.may_answer.set()
        for _ in range(3):
            await engine.step()
        assert [what for what, _ in engine.said] == ["asked", "waits", "nothing"]
        assert set(engine.loop.program.bots) == {"spread"}

    played(body, tmp_path)


def test_the_old_text_stays_at_hand_for_what_is_open(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        old = engine.hand.position.digest
        engine.write(spread=text_of(exits='[{time: "14:00", order: market}]'))
        engine.ask()
        await engine.step()
        await engine.step()
        program = engine.loop.program
        assert program.bots["spread"].plan.digest != old
        assert program.text("spread", old).plan.digest == old
        applied = engine.notes[-1]
        again = resume([*engine.hand.records, applied], engine.hand.now, engine.hand.board, program_events(engine))
        assert not again.texts
        started = Record(applied.at, Kind.RUN_STARTED, data={"install": "abc123", "specs": specs_before(engine)})
        found = resume(
            [started, *engine.hand.records, applied], engine.hand.now, engine.hand.board, program_events(engine)
        )
        assert [text.digest for text in found.texts] == [old]

    played(body, tmp_path)


def program_events(engine: Engine) -> Any:
    return engine.hand.state.market.facts.events


def specs_before(engine: Engine) -> Any:
    old = engine.hand.position.digest
    return {"spread": {"digest": old, "path": "spread.yaml", "text": engine.hand.texts[0], "overrides": {}}}


def test_other_requests_pass_through(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        pause = OperatorRequest(engine.hand.now, "p", Request.PAUSE)
        engine.asked.append(pause)
        assert engine.reloader.read(engine.hand.now) == [pause]
        assert not engine.notes

    played(body, tmp_path)


def test_what_a_person_has_written_into_a_file_is_on_record_and_what_is_open_keeps_its_text(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        opened_under = engine.hand.position.digest
        engine.write(spread=text_of().replace("profit: 50%", "profit: 40%"))
        edits = (("exits[2].target.profit", "50% -> 40%"),)
        asked = OperatorRequest(
            engine.hand.now, "w", Request.RELOAD, "spread", edits=edits, by="the page, from 10.0.0.7"
        )
        engine.asked.append(asked)
        assert engine.reloader.read(engine.hand.now) == []
        (note,) = [each for each in engine.notes if each.kind is Kind.RELOAD]
        numbers = {"exits[2].target.profit": "50% -> 40%"}
        assert note.data["edited"] == {"bot": "spread", "numbers": numbers, "by": "the page, from 10.0.0.7"}
        reported = event_line(note, engine.hand.state)
        assert reported is not None
        assert reported.text.startswith(
            "spread edited on the page, from 10.0.0.7: exits[2].target.profit 50% -> 40%; reload asked for: spread"
        )
        engine.feed.may_answer.set()
        for _ in range(3):
            await engine.step()
        assert engine.said[-1][0] == "applied"
        (position,) = engine.loop.state.positions.by_id.values()
        assert position.digest == opened_under
        assert engine.loop.program.bots["spread"].plan.digest != opened_under

    played(body, tmp_path)


# ---------------------------------------------------------------- the files, read again


def sources(folder: Path, *paths: str) -> SpecSources:
    return SpecSources(paths, {}, None, folder)


def test_folders_are_looked_through_again_and_files_that_are_gone_are_removed_bots(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(text_of(name), encoding="utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "three.yaml").write_text(text_of("three"), encoding="utf-8")
    asked = sources(tmp_path, "one.yaml", "two.yaml", "more")
    assert set(reread(asked).bots) == {"one", "two", "three"}
    (tmp_path / "two.yaml").unlink()
    (tmp_path / "more" / "four.yaml").write_text(text_of("four"), encoding="utf-8")
    desk = reread(asked)
    assert set(desk.bots) == {"one", "three", "four"}
    assert desk.sources == asked
    assert sources_of(sources_as_json(desk)) == asked


def spoil_with_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "x.yaml")


def spoil_with_a_link(folder: Path) -> None:
    (folder / "two.yaml").unlink()
    (folder / "two.yaml").symlink_to("nowhere.yaml")


def spoil_by_emptying(folder: Path) -> None:
    (folder / "two.yaml").unlink()


@pytest.mark.parametrize(
    ("spoil", "path", "words"),
    [
        (spoil_with_a_pipe, "more", "is a pipe"),
        (spoil_with_a_link, "more", "cannot be read"),
        (spoil_with_a_link, "more/two.yaml", "is a link to what is not there"),
        (spoil_by_emptying, "more", "holds no"),
    ],
)
def test_only_what_is_not_there_is_taken_for_removed(
    tmp_path: Path, spoil: Callable[[Path], None], path: str, words: str
) -> None:
    (tmp_path / "one.yaml").write_text(text_of("one"), encoding="utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "two.yaml").write_text(text_of("two"), encoding="utf-8")
    asked = sources(tmp_path, "one.yaml", path)
    assert set(reread(asked).bots) == {"one", "two"}
    spoil(tmp_path / "more")
    with pytest.raises(RulebotError, match=words):
        reread(asked)


def test_with_nothing_left_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="all files of this run have been removed"):
        reread(sources(tmp_path, "one.yaml"))
    with pytest.raises(StoreError, match="cannot be entered"):
        reread(sources(tmp_path / "gone", "one.yaml"))


def test_why_it_is_refused_begins_with_an_error_and_not_with_warnings_before_it(tmp_path: Path) -> None:
    """Of the reason one line is shown: it named what is no reason."""

    async def body(engine: Engine) -> None:
        engine.write(a_bot=text_of("a_bot", parameters="{unused: 1}"), spread=text_of(entry="{windw: 1}"))
        engine.ask()
        what, reason = engine.said[-1]
        assert what == "refused"
        assert "error" in reason.splitlines()[0]
        assert "warning" not in reason

    played(body, tmp_path)


def test_the_account_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "one.yaml").write_text(text_of("one"), encoding="utf-8")
    bare = reread(sources(tmp_path, "specs"))
    (tmp_path / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
    limited = reread(sources(tmp_path, "specs"))
    assert limit_words(limits_as_json(bare), limits_as_json(limited)) == (
        "daily_loss none to 500",
        "max_open none to 3",
        "max_notional_per_order 25000000 to none",
        "max_structures_per_order 10 to none",
    )
    assert limit_words(limits_as_json(limited), limits_as_json(limited)) == ()
    (tmp_path / "account.yaml").write_text(ACCOUNT.replace("$500}", "$500, require: [time: '10:00']}"), "utf-8")
    timed = reread(sources(tmp_path, "specs"))
    assert limit_words(limits_as_json(limited), limits_as_json(timed)) == (
        "require none to time: it is 10:00 or later",
    )
    assert [rule.name for rule in timed.program("i", {}, 90).require] == ["time"]
    refuse_account(limited, "DU1234567", DAY, running={}, had_limits=False, any_account=False)
    refuse_account(limited, "DU9", DAY, running={}, had_limits=False, any_account=True)
    with pytest.raises(SpecError, match="is for DU1234567, and DU9 is traded"):
        refuse_account(limited, "DU9", DAY, running={}, had_limits=True, any_account=False)
    with pytest.raises(SpecError, match="its limits would be off"):
        refuse_account(bare, "DU1234567", DAY, running={}, had_limits=True, any_account=False)
    refuse_account(bare, "DU1234567", DAY, running={}, had_limits=False, any_account=False)
    with pytest.raises(SpecError, match="is gone"):
        reread(replace(sources(tmp_path, "specs"), account=tmp_path / "other.yaml"))


def test_a_live_run_takes_up_promoted_bots_only(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "one.yaml").write_text(text_of("one"), encoding="utf-8")
    (tmp_path / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
    live = LiveRun(tmp_path / "live.db", simulated=True)
    with pytest.raises(SpecError, match="names no live account, and U1234567 is traded"):
        refuse_account(
            reread(sources(tmp_path, "specs")),
            "U1234567",
            DAY,
            running={},
            had_limits=True,
            any_account=True,
            live=live,
        )
    require = "[{compliant_sessions: {at_least: 2}}, {expectancy: {above: $0}}]"
    rules = f"live: {{account: U1234567, require: {require}, good_for: 9d}}\n"
    (tmp_path / "account.yaml").write_text(ACCOUNT + rules, encoding="utf-8")
    desk = reread(sources(tmp_path, "specs"))
    with pytest.raises(SpecError, match="has live account U1234567, and U2 is traded"):
        refuse_account(desk, "U2", DAY, running={}, had_limits=True, any_account=True, live=live)
    with pytest.raises(SpecError, match="one is not promoted: 'rulebot promote one'"):
        refuse_account(desk, "U1234567", DAY, running={"one": "0"}, had_limits=True, any_account=True, live=live)
    # what runs on needs none anew, so that limits can be tightened whenever its promotion was
    refuse_account(desk, "U1234567", DAY, running=desk.digests, had_limits=True, any_account=True, live=live)


# ---------------------------------------------------------------- the inbox


def test_a_reload_is_for_an_engine_that_runs(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    store.write_bytes(b"")
    with pytest.raises(StoreError, match="no engine is running"):
        post(store, Request.RELOAD)
    with hold_store(store):
        assert post(store, Request.RELOAD)
        clear_box(store)
    assert not list(folder_of(store).glob("*.json"))
