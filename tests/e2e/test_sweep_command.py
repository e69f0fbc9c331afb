"""`rulebot sweep` as a person types it, and on a cluster of processes of which one dies."""

import json
import os
import pickle
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from past_days import PastDays

from rulebot.adapters.history.chain_file import write_day
from rulebot.cli.exit_codes import READER_GONE
from rulebot.cli.main import main
from rulebot.model.errors import StoreError
from rulebot.sweep.evaluate import Asked
from rulebot.sweep.variant import PeriodResult, VariantTerms, stretches

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "specs" / "dte0_condor.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chains")
    source = PastDays(last=date(2026, 9, 2), strikes=25, every=3)
    for day in source.dates(source.first, source.last):
        write_day(source.day(day), folder / f"{day}.parquet")
    return folder


def typed(*words: object) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, words)])


def test_sessions_that_the_data_does_not_reach_are_reported(data: Path) -> None:
    found = typed(SPEC, "--data", data, "--vary", "delta=0.05,0.08", "--to", "2026-12-31", "--workers", 1)
    assert " the data is of 2026-09-01 to 2026-09-02 alone\n" in found.stdout, found.output


def test_a_sweep_is_a_table_with_a_map(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "s.html"
    words = (SPEC, "--data", data, "--vary", "delta=0.05,0.08", "--vary", "exits.target.profit=40,60")
    found = typed(
        *words, "--fills", "mid", "--workers", 1, "--sort", "net", "--out", tmp_path / "s.jsonl", "--html", page
    )
    assert found.exit_code == 0, found.output
    assert "4 of 4 variants, 2 sessions, by net" in found.stdout
    assert "the data is of" not in found.stdout
    assert "net by delta (down) and exits.target.profit (across)" in found.stdout
    assert page.read_text(encoding="utf-8").count('class="heat"') == 4
    reported = typed(*words, "--fills", "mid", "--workers", 1, "--out", tmp_path / "s.jsonl", "--format", "json")
    assert len(json.loads(reported.stdout)["variants"]) == 4


def test_the_page_is_there_where_nobody_reads_the_table_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rulebot sweep .. --html FILE | head` ended without the page that it had worked for."""

    def gone(_: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("rulebot.cli.output.echo", gone)
    monkeypatch.setattr("rulebot.cli.main._print_nowhere", lambda: None)
    words = (SPEC, "--data", data, "--vary", "delta=0.05,0.08", "--workers", 1, "--html", tmp_path / "s.html")
    assert typed(*words).exit_code == READER_GONE
    assert (tmp_path / "s.html").stat().st_size > 1000


def test_a_page_that_cannot_be_written_costs_no_result(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, _: str) -> None:
        raise StoreError(f"{file} cannot be written: No space left on device")

    monkeypatch.setattr("rulebot.cli.past_options.write_file", full)
    words = (SPEC, "--data", data, "--vary", "delta=0.05,0.08", "--workers", 1, "--html", tmp_path / "s.html")
    found = typed(*words)
    assert (found.exit_code, "2 of 2 variants" in found.stdout) == (3, True), found.output
    assert "No space left" in found.stderr
    assert " page " not in found.stdout


def test_ctrl_c_reports_how_to_continue(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rulebot.sweep.executors.run_variants", interrupted)
    words = (SPEC, "--data", data, "--vary", "delta=0.05,0.08", "--workers", 1)
    found = typed(*words)
    assert (found.exit_code, "--out FILE keeps finished variants" in found.stderr) == (130, True)
    assert f"continues from {tmp_path / 's.jsonl'}" in typed(*words, "--out", tmp_path / "s.jsonl").stderr
    monkeypatch.setattr("rulebot.backtest.run.run_backtest", interrupted)
    asked = ["backtest", str(SPEC), "--data", str(data), "--store", str(tmp_path / "a.db")]
    found = CliRunner().invoke(main, asked)
    assert found.exit_code == 130
    assert f"the same with --resume --store {tmp_path / 'a.db'} continues after the last whole session" in found.stderr


def test_what_is_wrong_with_the_data_is_reported_also_of_what_was_kept(data: Path, tmp_path: Path) -> None:
    """A sweep over fewer days than there are files, or over made-up prices, says so wherever it is shown."""
    shutil.copytree(data, tmp_path / "chains")
    first, *_ = sorted((tmp_path / "chains").glob("????-??-??.parquet"))
    first.write_bytes(first.read_bytes()[:500])
    words = (SPEC, "--data", tmp_path / "chains", "--fills", "mid", "--vary", "delta=0.05,0.08", "--workers", 1)
    kept = ("--out", tmp_path / "kept" / "s.jsonl", "--html", tmp_path / "pages" / "s.html")
    for _ in range(2):
        found = typed(*words, *kept)
        assert found.exit_code == 0, found.output
        assert found.stdout.startswith(
            " dte0_condor, 2026-09-01 to 2026-09-02 of Parquet chains of chains\n fills mid\n"
        )
        assert f"  refused: Parquet chains of chains: {first.stem}: " in found.stdout
        page = (tmp_path / "pages" / "s.html").read_text(encoding="utf-8")
        assert "What was wrong with the data" in page
        assert "Parquet chains of chains" in page
    reported = json.loads(typed(*words, "--format", "json").stdout)
    assert [each["severity"] for each in reported["findings"]] == ["refused", "reported"]
    assert reported["data"]["fills"] == "mid"


def test_without_a_single_session_nothing_was_tried(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "chains")
    for file in (tmp_path / "chains").glob("????-??-??.parquet"):
        file.write_bytes(b"")
    found = typed(SPEC, "--data", tmp_path / "chains", "--vary", "delta=0.05,0.08", "--workers", 1)
    assert (found.exit_code, "no session could be lived through" in found.stderr) == (3, True), found.output
    assert found.stdout.count("refused: ") == 2


def test_modelled_prices_are_called_so(tmp_path: Path) -> None:
    words = (
        "--data",
        f"model:{ROOT / 'examples/data/daily'}?dte=0&step=30",
        "--from",
        "2018-01-03",
        "--to",
        "2018-01-05",
    )
    found = typed(SPEC, *words, "--vary", "delta=0.05", "--workers", 1, "--html", tmp_path / "s.html")
    assert found.exit_code == 0, found.output
    assert "MODELLED, never quoted" in found.stdout.splitlines()[0]
    assert "MODELLED" in (tmp_path / "s.html").read_text(encoding="utf-8")
    assert "none of them ever traded: 'rulebot backtest' on these sessions says what kept the bot out" in found.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--vary", "delta"), "NAME=FROM..TO/STEP"),
        (("--vary", "delta=1,2", "--vary", "delta=3,4"), "varied once"),
        (("--vary", "nothing=1,2"), "has nothing at 'nothing'"),
        (("--vary", "delta=0.05,0.06", "--scheduler", "here"), "address is tcp://HOST:PORT, is 'here'"),
        (("--vary", "delta=0.05,0.06", "--walk-forward", "5"), "--walk-forward is CHOSEN/TRIED"),
        (("--vary", "delta=0.05,0.06", "--walk-forward", "2\N{SUPERSCRIPT ZERO}/5"), "--walk-forward is CHOSEN/TRIED"),
        (("--vary", "delta=0.05,0.06", "--cash", "1e30"), "--cash is $1,000,000,000,000 at most"),
        (
            ("--vary", "delta=0.05,0.06", "--out", "a.x", "--html", "./a.x"),
            "--html is a page, and a.x is something else",
        ),
        (("--vary", "delta=0.05,0.06", "--html", str(SPEC)), "dte0_condor.yaml is something else"),
        (("--vary", "delta=0.05,0.06", "--walk-forward", "20/5", "--workers", "1"), "hold no stretch"),
        (("--vary", "delta=0.05,0.06", "--purge", "3"), "--purge says how many sessions --walk-forward leaves out"),
        (("--vary", "delta=0.05,0.06", "--for", "net"), "--for goes with --bayes N"),
        (("--vary", "delta=0.05,0.06", "--batch", "3"), "--batch goes with --bayes N"),
        (("--vary", "delta=0.05,0.06", "--bayes", "2", "--random", "2"), "each choose the combinations"),
        (("--vary", "delta=0.05,0.06", "--bayes", "2", "--walk-forward", "20/5"), "has seen the sessions"),
        (("--vary", "delta=0.05,0.06", "--bayes", "9999"), "2,000 trials at most, is 9,999"),
        (("--vary", "delta=0.05,0.06", "--bayes", "2"), "a Sharpe ratio is of 20 sessions at least, is of 2"),
        (("--vary", "nothing=1,2", "--bayes", "2", "--for", "net"), "has nothing at 'nothing'"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(words: tuple[str, ...], says: str, data: Path) -> None:
    found = typed(SPEC, "--data", data, *words)
    assert (found.exit_code, says in found.stderr) == (2, True), found.output


def test_stretches_that_do_not_fit_cost_no_result(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few sessions are told before any is lived through; how long trades were held is known after them."""
    words = (SPEC, "--data", data, "--vary", "delta=0.05,0.08", "--workers", 1, "--walk-forward", "20/5")
    with monkeypatch.context() as patched:
        patched.setattr("rulebot.sweep.executors.run_variants", None)
        found = typed(*words)
        assert (found.exit_code, "2 sessions hold no stretch of 20" in found.stderr) == (2, True), found.output
    known = iter([[None]])  # the first look finds room
    monkeypatch.setattr("rulebot.sweep.variant.stretches", lambda *sessions: next(known, None) or stretches(*sessions))
    found = typed(*words)
    assert (found.exit_code, "2 sessions hold no stretch of 20" in found.stderr) == (2, True), found.output
    assert "2 of 2 variants" in found.stdout


@pytest.mark.parametrize(
    ("purge", "says"),
    [((), "as long as its shares are, as with 0.05"), (("--purge", "2"), "hold no stretch of 20, 2 left out and 5\n")],
)
def test_shares_that_are_held_to_the_end_leave_nothing_to_walk_over(
    purge: tuple[str, ...], says: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(asked: Sequence[Asked], terms: VariantTerms, span: object, passed: object) -> list[PeriodResult]:
        profits = (Decimal(1),) * 26
        number, point, _ = asked[0]
        return [PeriodResult(number=number, point=point, since=terms.first, profits=profits, longest=25, in_shares=1)]

    monkeypatch.setattr("rulebot.sweep.executors.run_variants", held)
    known = iter([[None]])  # the first look finds room
    monkeypatch.setattr("rulebot.sweep.variant.stretches", lambda *sessions: next(known, None) or stretches(*sessions))
    found = typed(SPEC, "--data", data, "--vary", "delta=0.05", "--workers", 1, "--walk-forward", "20/5", *purge)
    assert (found.exit_code, says in found.stderr) == (2, True), found.output


@pytest.mark.parametrize(
    ("spec", "says"),
    [("put_lite", "has nothing at 'nothing'"), ("put_lte", "did you mean 'put_lite'?"), ("specs", "has one bot")],
)
def test_a_shipped_spec_goes_by_its_name(spec: str, says: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SPEC.parent.parent)
    found = typed(spec, "--data", data, "--vary", "nothing=1,2")
    assert (found.exit_code, says in found.stderr) == (2, True), found.output


def test_a_variant_that_cannot_be_run_is_reported(data: Path, tmp_path: Path) -> None:
    """Its page said no word of it, and had one variant fewer than its title."""
    page = tmp_path / "s.html"
    found = typed(SPEC, "--data", data, "--vary", "delta=0.06,7", "--workers", 1, "--html", page)
    assert found.exit_code == 1
    assert "not run, as 7:" in found.stdout
    assert "<p>not run, as 7:" in page.read_text(encoding="utf-8")


def test_what_is_kept_of_another_parent_is_another_sweep(data: Path, tmp_path: Path) -> None:
    """A spec says with `extends` what its parent says: the same file beside a changed parent is another text."""
    above = tmp_path / "above.yaml"
    above.write_text(SPEC.read_text(encoding="utf-8").replace("name: dte0_condor", "name: above"), encoding="utf-8")
    spec = tmp_path / "kid.yaml"
    spec.write_text("rulebot: 1\nname: kid\nabout: As its parent.\nextends: above\n", encoding="utf-8")
    words = (spec, "--data", data, "--vary", "delta=0.06", "--workers", 1, "--out", tmp_path / "s.jsonl")
    assert [typed(*words).exit_code for _ in range(2)] == [0, 0]
    above.write_text(above.read_text(encoding="utf-8").replace("cost: 2x", "cost: 3x"), encoding="utf-8")
    other = typed(*words)
    assert (other.exit_code, "holds another sweep" in other.stderr) == (2, True)


def test_variants_are_judged_under_the_account_document(data: Path, tmp_path: Path) -> None:
    """A backtest of the same bot made no trade, for a limit of the account; in a sweep it traded on each day."""
    spec, wide = tmp_path / "specs" / SPEC.name, tmp_path / "wide.yaml"
    spec.parent.mkdir()
    shutil.copy(SPEC, spec)
    for file, most in ((tmp_path / "account.yaml", 500), (wide, 50000)):
        limit = f"risk: {{require: [{{worst_case: {{at_most: ${most}}}}}]}}"
        file.write_text(f"rulebot_account: 1\nabout: Limits.\naccount: DU1234567\n{limit}\n", encoding="utf-8")
    words = ("--data", data, "--fills", "mid", "--format", "json")
    kept = ("--vary", "delta=0.06", "--workers", 1, "--out", tmp_path / "s.jsonl")
    for account, trades in (((), 0), (("--account", wide), 2)):
        asked = ("backtest", spec, *words, *account, "--store", tmp_path / f"{trades}.db")
        alone = CliRunner().invoke(main, list(map(str, asked)))
        assert len(json.loads(alone.stdout)["trades"]) == trades
        found = typed(spec, *words, *account, *kept[:-2])
        (variant,) = json.loads(found.stdout)["variants"]
        assert (variant["trades"], "limits of the account" in variant["by_turns"]) == (trades, True)
    assert typed(spec, *words, *kept).exit_code == 0
    other = typed(spec, *words, "--account", wide, *kept)
    assert (other.exit_code, "the account document is another one" in other.stderr) == (2, True)


def test_shares_of_an_index_are_held_by_nobody(data: Path) -> None:
    found = typed(SPEC, "--data", data, "--vary", "delta=0.06", "--shares", "SPX=100")
    assert (found.exit_code, "SPX is an index: it has no shares to trade" in found.stderr) == (2, True), found.output


def test_what_is_kept_of_data_that_was_repaired_since_is_reported(data: Path, tmp_path: Path) -> None:
    """Results of before and after would stand beside each other: which is the best would depend on which were kept."""
    shutil.copytree(data, tmp_path / "chains")
    first, second = sorted((tmp_path / "chains").glob("????-??-??.parquet"))[:2]
    whole = first.read_bytes()
    first.write_bytes(whole[:500])
    words = (SPEC, "--data", tmp_path / "chains", "--vary", "delta=0.06", "--workers", 1, "--out", tmp_path / "s.jsonl")
    words = (*words, "--from", "2026-09-01", "--to", "2026-09-02")
    assert [typed(*words).exit_code for _ in range(2)] == [0, 0]
    shutil.copy(second, second.with_name("2026-09-03.parquet"))
    assert typed(*words).exit_code == 0, "a day after those of the sweep is none of its data"
    first.write_bytes(whole)
    other = typed(*words)
    assert other.exit_code == 2
    assert f"s.jsonl was begun before the data changed or grew: {first}" in other.stderr
    assert "name another --out" in other.stderr
    daily = tmp_path / "chains" / "daily" / "spx_daily.csv"
    daily.parent.mkdir()
    daily.write_text("date,open,high,low,close\n2026-09-02,5900,5910,5890,5905\n")
    assert " and 1 more" in typed(*words).stderr
    words = (*words[:-5], tmp_path / "t.jsonl", *words[-4:])
    assert typed(*words).exit_code == 0
    daily.write_text(f"{daily.read_text()}2026-09-03,5905,5910,5890,5900\n")
    assert typed(*words).exit_code == 0, "nor is a row of such a day"
    daily.write_text(daily.read_text().replace("5905\n", "5906\n"))
    assert f"t.jsonl was begun before the data changed or grew: {daily}" in typed(*words).stderr


def test_what_is_kept_of_other_calendars_is_reported(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bot that is kept out by events entered on other days in the variants that came after."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "own"))
    shipped = json.loads((ROOT / "engine" / "rulebot" / "calendars" / "fomc.json").read_text(encoding="utf-8"))
    calendar = tmp_path / "own" / "calendars" / "fomc.json"
    calendar.parent.mkdir(parents=True)
    for spec, code in ((SPEC, 0), (SPEC.with_name("put_lite.yaml"), 2)):
        place = "exits.target.profit=40,50"
        words = (spec, "--data", data, "--vary", place, "--workers", 1, "--out", tmp_path / f"{spec.stem}.jsonl")
        calendar.write_text(json.dumps(shipped), encoding="utf-8")
        assert [typed(*words).exit_code for _ in range(2)] == [0, 0]
        calendar.write_text(json.dumps(shipped | {"verified": "2026-01-01"}), encoding="utf-8")
        again = typed(*words)
        assert again.exit_code == code, again.output
    assert f"was begun before the data changed or grew: {calendar}" in again.stderr


def test_what_is_kept_of_other_code_is_reported(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants of before and after a change of commissions stood in one table, where both were of one version."""
    words = (SPEC, "--data", data, "--vary", "delta=0.06", "--workers", 1, "--out", tmp_path / "s.jsonl")
    assert [typed(*words).exit_code for _ in range(2)] == [0, 0]
    monkeypatch.setattr("rulebot.process.processes.code_digest", lambda: "another")
    other = typed(*words)
    assert (other.exit_code, "the code of rulebot is another one" in other.stderr) == (2, True), other.output


def test_what_a_sweep_is_made_of_does_not_depend_on_where_it_runs(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of a cluster opened a relative folder beside itself, and knew other dates of events."""
    shipped = json.loads((ROOT / "engine" / "rulebot" / "calendars" / "fomc.json").read_text(encoding="utf-8"))
    for name in ("here", "there"):
        calendar = tmp_path / name / "calendars" / "fomc.json"
        calendar.parent.mkdir(parents=True)
        until = [each for each in shipped["dates"] if isinstance(each, str) and each < "2026-09"]
        dates = {"dates": [*until, *(["2026-09-02"] if name == "here" else ["2026-09-16"])]}
        calendar.write_text(json.dumps(shipped | dates | {"published_until": "2026-12-31"}), encoding="utf-8")
    found: list[object] = []

    def there(asked: object, terms: VariantTerms, *_: object) -> None:
        monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "there"))
        monkeypatch.chdir(tmp_path)
        sent = pickle.loads(pickle.dumps(terms))
        found.extend((date(2026, 9, 2) in sent.calendar.days["FOMC"], len(sent.opens().dates(sent.first, sent.last))))
        raise KeyboardInterrupt

    monkeypatch.setattr("rulebot.sweep.executors.run_variants", there)
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "here"))
    monkeypatch.chdir(data.parent)
    assert typed(SPEC, "--data", data.name, "--vary", "delta=0.06", "--workers", 1).exit_code == 130
    assert found == [True, 2]


def test_a_search_is_kept_and_continues_with_more_trials(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    words = (SPEC, "--data", data, "--vary", "delta=0.05..0.12/0.01", "--vary", "exits.target.profit=40,60")
    asked = (*words, "--for", "net", "--batch", 2, "--workers", 1)
    page = tmp_path / "s.html"
    first = typed(*asked, "--bayes", 3, "--out", tmp_path / "s.jsonl", "--html", page)
    assert first.exit_code == 0, first.output
    assert "3 of 3 variants, 2 sessions, by net" in first.stdout
    assert "searched for net" in first.stdout
    assert "<p>searched for net; a search climbs to chance, too" in page.read_text(encoding="utf-8")
    later = typed(*asked, "--bayes", 5, "--out", tmp_path / "s.jsonl", "--format", "json")
    assert later.stdout == typed(*asked, "--bayes", 5, "--format", "json").stdout
    assert len(json.loads(later.stdout)["variants"]) == 5
    other = typed(*words, "--bayes", 5, "--for", "win_rate", "--out", tmp_path / "s.jsonl")
    assert (other.exit_code, "holds another sweep" in other.stderr) == (2, True)


def test_a_search_without_its_package_says_what_to_install(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    found = typed(SPEC, "--data", data, "--vary", "delta=0.05,0.06", "--bayes", 2)
    assert (found.exit_code, 'pip install "rulebot[sweep]"' in found.stderr) == (3, True), found.output


@pytest.mark.long
def test_ci_a_worker_that_dies_loses_nothing(data: Path) -> None:
    distributed = pytest.importorskip("distributed")
    words = (SPEC, "--data", data, "--vary", "delta=0.05..0.12/0.01", "--format", "json")
    alone = typed(*words, "--workers", 1)
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=None, silence_logs=False
    ) as cluster:
        client = distributed.Client(cluster, set_as_default=False)  # a user's process has none either
        worker, killed = next(iter(client.run(os.getpid).items()))

        def kill_at_work() -> None:
            if cluster.scheduler.workers[worker].processing:
                os.kill(killed, signal.SIGKILL)
            else:
                client.loop.call_later(0.01, kill_at_work)

        client.loop.add_callback(kill_at_work)
        shared = typed(*words, "--scheduler", cluster.scheduler_address, "--workers", 3)
        left = client.run(os.getpid)
        client.close()
    assert killed not in left.values()
    assert shared.exit_code == 0, shared.output
    assert shared.stdout == alone.stdout
