"""Parameters that an operator has set: taken up by a running engine, kept over restarts, and taken back."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import text_of
from store_day import at
from test_reloader import Engine, forget_listings, played

from rulebot.cli.main import main
from rulebot.doctor.account_checks import found_desk, with_set
from rulebot.documents.load_bots import (
    check_overrides,
    kept_overrides,
    load_all_bots,
    parameters_of,
    sources_as_json,
    specs_as_json,
    with_kept_overrides,
    with_values,
)
from rulebot.model.errors import MisuseError
from rulebot.model.event import OperatorRequest, Request
from rulebot.record.record import Kind, Record
from rulebot.spec.parameters import of_bot
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

TEXT = text_of(parameters="{most: 22}", entry='{window: {from: "10:00", to: "11:00"}, when: [{vix: {below: $most}}]}')


def specs_in(folder: Path, **texts: str) -> str:
    place = folder / "specs"
    place.mkdir(exist_ok=True)
    for name, text in texts.items():
        (place / f"{name}.yaml").write_text(text, encoding="utf-8")
    return str(place)


def kept_store(folder: Path, *kept: dict[str, str]) -> Path:
    journal = SqlJournal(open_store(folder / "a.db"))
    records = [Record(at("10:00"), Kind.RELOAD, data={"what": "applied", "kept": dict(each)}) for each in kept]
    journal.append(records, durable=True)
    journal.close()
    return folder / "a.db"


def test_a_bots_own_override_goes_before_that_of_all() -> None:
    assert of_bot({"delta": "1", "one.delta": "2", "two.wing": "3"}, "one") == {"delta": "2"}
    assert of_bot({"delta": "1", "one.delta": "2"}, "two") == {"delta": "1"}


def test_the_environment_sets_parameters_of_all_bots_or_of_one() -> None:
    environ = {
        "RULEBOT_SET_TRADE_TIME": "10:00",
        "RULEBOT_SET_PUT_LITE__MOST_OPEN": "2",
        "RULEBOT_SET_X": "",
        "HOME": "/",
    }
    assert parameters_of(environ) == {"trade_time": "10:00", "put_lite.most_open": "2"}


def test_a_variable_that_no_bot_has_a_parameter_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = specs_in(tmp_path, spread=TEXT)
    monkeypatch.setenv("RULEBOT_SET_MOTS", "20")
    found = CliRunner().invoke(main, ["run", "--paper", "--sim", specs, "--store", str(tmp_path / "x.db")])
    assert (found.exit_code, "no bot has a parameter 'mots'" in found.stderr) == (2, True)


def test_what_is_set_is_kept_until_it_is_cancelled() -> None:
    kept = with_values({}, "one", [("delta", "0.1"), ("wing", "5 pts")])
    assert kept == {"one.delta": "0.1", "one.wing": "5 pts"}
    assert with_values(kept, "one", [("delta", "")]) == {"one.wing": "5 pts"}


def test_set_takes_one_bots_parameter(tmp_path: Path) -> None:
    folder = specs_in(tmp_path, spread=TEXT, other=TEXT.replace("name: spread", "name: other"))
    desk = load_all_bots([folder], {"other.most": "30"}, None)
    assert [dict(text.overrides) for text in sorted(desk.texts, key=lambda each: each.name)] == [{"most": "30"}, {}]
    with pytest.raises(MisuseError, match=r"no bot has a parameter 'other\.least'"):
        check_overrides(desk, {"other.least": "1"})


def test_a_running_engine_takes_it_up_at_a_quiet_point_and_keeps_it(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        engine.write(spread=TEXT)
        engine.ask()
        engine.feed.may_answer.set()
        await engine.step()
        await engine.step()
        for name, values, what in (
            ("a", (("most", "25"),), "applied"),
            ("b", (("most", "never"),), "refused"),
            ("c", (("least", "25"),), "refused"),
            ("d", (("most", ""),), "applied"),
        ):
            before = len(engine.notes)
            engine.asked.append(OperatorRequest(engine.hand.now, name, Request.SET, "spread", "", values))
            assert engine.reloader.read(engine.hand.now) == []
            for _ in range(3):
                await engine.step()
            last = engine.notes[-1]
            assert last.data["what"] == what, last
            assert len(engine.notes) > before
            if name == "a":
                assert last.data["kept"] == {"spread.most": "25"}
                assert last.data["specs"]["spread"]["overrides"] == {"most": "25"}  # type: ignore[index, call-overload]
        assert engine.notes[-1].data["kept"] == {}
        assert engine.reloader.desk.kept == {}

    played(body, tmp_path)


BETWEEN = TEXT.replace("22}", "22, least: 9}").replace("below: $most", "between: [$least, $most]")


async def running(engine: Engine, **texts: str) -> None:
    engine.write(**texts)
    engine.ask()
    engine.feed.may_answer.set()
    await engine.step()
    await engine.step()
    assert engine.said[-1][0] == "applied"


def put(engine: Engine, name: str, values: tuple[tuple[str, str], ...], bot: str = "spread") -> None:
    engine.asked.append(OperatorRequest(engine.hand.now, name, Request.SET, bot, "", values))
    assert engine.reloader.read(engine.hand.now) == []


def test_what_waits_to_be_set_is_set_with_what_is_asked_for_meanwhile(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        await running(engine, spread=BETWEEN)
        engine.feed.may_answer.clear()
        forget_listings(engine)
        put(engine, "a", (("most", "25"),))
        await engine.step()
        put(engine, "b", (("least", "5"),))
        await engine.step()
        engine.ask()
        await engine.step()
        put(engine, "c", (("most", "never"),))
        await engine.step()
        assert [what for what, _ in engine.said[-2:]] == ["refused", "waits"]
        engine.feed.may_answer.set()
        for _ in range(3):
            await engine.step()
        assert engine.notes[-1].data["kept"] == {"spread.most": "25", "spread.least": "5"}
        assert dict(engine.reloader.desk.texts[0].overrides) == {"most": "25", "least": "5"}

    played(body, tmp_path)


def test_a_bot_of_which_a_parameter_was_set_can_be_removed_and_has_it_again_when_it_comes_back(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        other = TEXT.replace("name: spread", "name: other")
        await running(engine, spread=TEXT, other=other)
        put(engine, "a", (("most", "25"),), "other")
        await engine.step()
        await engine.step()
        (engine.folder / "specs" / "other.yaml").unlink()
        engine.ask()
        await engine.step()
        await engine.step()
        assert (engine.said[-1][0], set(engine.loop.program.bots)) == ("applied", {"spread"})
        await running(engine, other=other)
        assert {text.name: dict(text.overrides) for text in engine.reloader.desk.texts}["other"] == {"most": "25"}

    played(body, tmp_path)


@pytest.mark.parametrize("flag", ["most", "spread.most"])
def test_a_flag_goes_before_what_operators_set_in_a_run_as_at_its_next_start(tmp_path: Path, flag: str) -> None:
    async def body(engine: Engine) -> None:
        await running(engine, spread=TEXT)
        sources = engine.reloader.desk.sources
        assert sources is not None
        engine.reloader.desk = replace(engine.reloader.desk, sources=replace(sources, overrides={flag: "30"}))
        put(engine, "a", (("most", "25"),))
        assert engine.said[-1][0] == "refused"
        assert "'--set' of this run gives spread its 'most', 30" in engine.said[-1][1]
        put(engine, "b", (("most", ""),))  # what was set before the flag can be taken back
        assert engine.said[-1][0] == "asked"

    played(body, tmp_path)
    store = kept_store(tmp_path, {"spread.most": "25"})
    desk = with_kept_overrides(load_all_bots([str(tmp_path / "specs")], {flag: "30"}, None), store)
    assert dict(desk.texts[0].overrides) == {"most": "30"}


def test_the_command_reads_the_files_with_what_operators_have_set(tmp_path: Path) -> None:
    store = kept_store(tmp_path, {"spread.most": "25"})
    desk = with_kept_overrides(load_all_bots([specs_in(tmp_path, spread=TEXT)], {}, None), store)
    journal = SqlJournal(open_store(store))
    data = {
        "specs": specs_as_json(desk),
        "sources": sources_as_json(desk),
        "limits": None,
        "account": "DU1",
        "settings": {},
    }
    started = {**data, "session": "2026-10-21", "lockstep": True, "simulated": True, "install": "x", "version": "0.1"}
    kept = Record(at("10:02"), Kind.RELOAD, data={"what": "applied", "kept": {"spread.most": "19"}})
    journal.append([Record(at("10:01"), Kind.RUN_STARTED, data=started), kept], durable=True)
    again = with_kept_overrides(load_all_bots([str(tmp_path / "specs")], {}, None), store)
    applied = {"what": "applied", "specs": specs_as_json(again), "limits": None}
    journal.append([Record(at("10:02"), Kind.RELOAD, data=applied)], durable=True)
    result = CliRunner().invoke(main, ["reload", "--store", str(store)])
    journal.close()
    assert (result.exit_code, "runs already" in result.output) == (0, True), result.output


def test_a_start_lays_what_is_kept_over_the_files(tmp_path: Path) -> None:
    folder = specs_in(tmp_path, spread=TEXT)
    store = kept_store(tmp_path, {"spread.most": "19"}, {"spread.most": "25"})
    with StoreReader(store) as reader:
        assert kept_overrides(reader) == {"spread.most": "25"}
    desk = with_kept_overrides(load_all_bots([folder], {}, None), store)
    assert dict(desk.texts[0].overrides) == {"most": "25"}
    assert desk.kept == {"spread.most": "25"}
    flagged = with_kept_overrides(load_all_bots([folder], {"spread.most": "30"}, None), store)
    assert dict(flagged.texts[0].overrides) == {"most": "30"}


def test_what_no_longer_fits_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = specs_in(tmp_path, spread=TEXT)
    store = kept_store(tmp_path, {"spread.least": "19", "gone.most": "1"})
    desk = with_kept_overrides(load_all_bots([folder], {}, None), store)
    assert dict(desk.texts[0].overrides) == {}
    assert caplog.text.count("is ignored: no bot that runs has that parameter") == 2


SHARE = text_of(
    parameters="{most: 22, gain: 40%}",
    entry='{window: {from: "10:00", to: "11:00"}, when: [{vix: {below: $most}}]}',
    exits='[{time: "15:45", order: market}, {target: {profit: $gain}}]',
)
THREE = text_of(
    parameters="{least: 9, most: 22, gain: 40%}",
    entry='{window: {from: "10:00", to: "11:00"}, when: [{vix: {between: [$least, $most]}}]}',
    exits='[{time: "15:45", order: market}, {target: {profit: $gain}}]',
)


def test_a_value_that_the_file_does_not_take_any_more_is_left_out_and_the_others_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = kept_store(tmp_path, {"spread.gain": "5", "spread.most": "25"})
    desk = with_kept_overrides(load_all_bots([specs_in(tmp_path, spread=SHARE)], {}, None), store)
    assert dict(desk.texts[0].overrides) == {"most": "25"}
    assert "a value is ignored: spread.gain 5, set by an operator, does not fit the file: " in caplog.text
    assert "takes it back" in caplog.text
    assert "set by an operator: spread.most 25" in caplog.text


def test_values_that_fit_each_other_alone_are_taken_together(tmp_path: Path) -> None:
    kept = {"spread.gain": "5", "spread.least": "25", "spread.most": "30"}
    desk = load_all_bots([specs_in(tmp_path, spread=THREE)], {}, None, kept)
    assert dict(desk.texts[0].overrides) == {"least": "25", "most": "30"}
    assert list(desk.left_out) == ["spread.gain"]


def test_a_reload_leaves_out_what_does_not_fit_with_an_alarm_and_it_can_be_cancelled(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        await running(engine, spread=TEXT.replace("most", "gain"))
        put(engine, "a", (("gain", "5"),))
        await engine.step()
        await engine.step()
        await running(engine, spread=SHARE)
        assert dict(engine.reloader.desk.texts[0].overrides) == {}
        (alarm,) = engine.alarms
        assert alarm.startswith("a value is ignored since the reload: spread.gain 5, set by an operator, does not fit")
        put(engine, "b", (("gain", "6"),))
        assert engine.said[-1][0] == "refused"
        assert "spread.gain 6" in engine.said[-1][1]
        put(engine, "c", (("gain", ""),))
        assert (engine.said[-1][0], engine.notes[-1].data["kept"]) == ("nothing", {})

    played(body, tmp_path)


def test_the_doctor_looks_at_the_bots_as_a_run_on_that_store_would_have_them(tmp_path: Path) -> None:
    desk, _ = found_desk([specs_in(tmp_path, spread=TEXT)], {}, None)
    found, (said,) = with_set(desk, kept_store(tmp_path, {"spread.most": "25"}))
    assert dict(found.texts[0].overrides) == {"most": "25"}
    assert (said.name, said.text) == ("spread", "an operator has set most 25")
    assert with_set(desk, tmp_path / "none.db") == (desk, [])


def test_without_a_store_nothing_is_kept(tmp_path: Path) -> None:
    desk = load_all_bots([specs_in(tmp_path, spread=TEXT)], {}, None)
    assert with_kept_overrides(desk, tmp_path / "none.db") is desk


def test_the_command_line_takes_it_too(tmp_path: Path) -> None:
    folder = specs_in(tmp_path, spread=TEXT)
    result = CliRunner().invoke(main, ["run", "--paper", "--sim", "--set", "spread.least=3", folder])
    assert (result.exit_code, "no bot has a parameter 'spread.least'" in result.output) == (2, True)
