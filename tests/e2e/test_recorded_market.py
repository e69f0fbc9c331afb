"""A recorded day as the simulated gateway's market: the same bots do the same again, and any client can read it."""

import asyncio
from collections.abc import Coroutine
from datetime import date, time
from pathlib import Path

import pytest
from click.testing import CliRunner
from ib_async import IB, Index, MarketOrder, Option
from plain_client import plain_client

from rulebot.adapters.recorded.recording import RecordsWritten, play
from rulebot.capture.captured import captured
from rulebot.capture.captured import recorded as given_by
from rulebot.capture.chain import read_chain
from rulebot.cli.main import main
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.market import COLUMNS, Board
from rulebot.model.session import at_exchange_time
from rulebot.record.record import Kind
from rulebot.replay.recordings import listed
from tests.e2e.worlds import SHIPPED, run_days, spec_files
from twsim import GatewaySettings, ReplayedDay, ReplayedMarket, start_gateway

HALF_DAY = date(2026, 12, 24)
"""The session before Christmas, which ends at 13:00."""
STILL = """
rulebot: 1
name: still
about: Sells a put at ten.
underlying: SPX
entry: {at: "10:00"}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.30}}
order: {start: natural, wait: 10s, tries: 3, then: cancel}
exits: [{time: "15:45"}]
risk: {undefined_risk: allow}
"""


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the recording of a simulated half day of one bot."""
    return recorded(tmp_path_factory.mktemp("first"), ["put_lite"], day=HALF_DAY)


def recorded(folder: Path, bots: list[str], given: ReplayedDay | None = None, day: date = DEFAULT_DATE) -> Path:
    run_days(folder, spec_files(bots), seed=3, first_day=day, tapes=folder / "tapes", given=given)
    return listed(folder / "tapes")[0].file


def decisions(tape: Path, *, until_close: bool = False) -> list[str]:
    """Return all that was decided; after the close the account is another: a given share keeps its last price."""
    steps = [step for step in play((tape,), Board()) if isinstance(step, RecordsWritten)]
    return [line for step in steps for line in step.lines if not until_close or f"{step.at:%H:%M}" < "20:00"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_all_shipped_bots_do_what_they_did(tmp_path: Path) -> None:
    first = recorded(tmp_path / "a", list(SHIPPED))
    again = recorded(tmp_path / "b", list(SHIPPED), given_by(str(first)).market)
    assert decisions(again, until_close=True) == decisions(first, until_close=True)


def test_a_bot_does_on_the_recorded_market_what_it_did(tape: Path, tmp_path: Path) -> None:
    words = ["run", "--paper", "--sim", "--seed", "3", "--recording", str(tape), "--store", str(tmp_path / "a.db")]
    done = CliRunner().invoke(main, [*words, *spec_files(["put_lite"])])
    assert done.exit_code == 0, done.output
    again = decisions(listed(tmp_path / "a-tapes")[0].file)
    assert again == decisions(tape)
    assert any('"kind":"fill"' in line for line in again)


def test_a_bot_trades_in_a_chain_that_stands_still(tmp_path: Path) -> None:
    """Its quotes were said once: an hour later they were stale, and a bot waited for prices that were there."""
    chain = Path(__file__).parents[2] / "examples" / "chains" / "spx.json"
    (spec := tmp_path / "still.yaml").write_text(STILL, encoding="utf-8")
    market, ends = captured([chain]).market, at_exchange_time(DEFAULT_DATE, time(10, 3))
    simulated = run_days(tmp_path, [str(spec)], seed=1, given=market, until=ends, data_seconds=15)
    assert [each.data["price"] for each in simulated.records if each.kind is Kind.FILL] == ["6"], "the bid of the file"


# ---------------------------------------------------------------- another client


def in_time(test: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


async def pass_until(ib: IB, clock: str) -> None:
    while f"{await ib.reqCurrentTimeAsync():%H:%M:%S}" < clock:
        pass


def standing(tape: Path, clock: str) -> dict[str, dict[str, float]]:
    """Return what was known of each contract at an instant."""
    board, found = Board(), {}
    for step in play((tape,), board):
        if f"{step.at:%H:%M:%S}" > clock:
            return found
        rows = board.rows.items()
        found = {str(each): {name: getattr(board, name)[row] for name in COLUMNS} for each, row in rows}
    raise AssertionError(f"the recording ends before {clock}")


def test_any_client_reads_what_was_recorded_and_trades_on_it(tape: Path) -> None:
    """Quotes are those of the recording at that instant; what was never streamed is listed, and has no quote."""
    day = given_by(str(tape)).market
    streamed = standing(tape, "14:31:00")
    name, stood = next((each, values) for each, values in sorted(streamed.items()) if each.startswith("SPXW"))
    strike, right = float(name.split()[-1][:-1]), name[-1]

    async def reads() -> None:
        running = await start_gateway(GatewaySettings(first_day=day.day), market=ReplayedMarket(day))
        ib = await plain_client(running.port)
        await pass_until(ib, "14:31:00")
        asked = Option("SPX", f"{day.day:%Y%m%d}", strike, right, "SMART", tradingClass="SPXW")
        never = Option("SPX", f"{day.day:%Y%m%d}", 4500, "P", "SMART", tradingClass="SPXW")
        contracts = await ib.qualifyContractsAsync(asked, never, Index("SPX", "CBOE"))
        assert all(contracts)
        quote, none, spx = (ib.reqMktData(each) for each in contracts)
        await ib.reqCurrentTimeAsync()
        columns = "bid", "ask", "bid_size", "ask_size"
        assert (quote.bid, quote.ask, quote.bidSize, quote.askSize) == tuple(stood[each] for each in columns)
        assert quote.modelGreeks is not None
        assert quote.modelGreeks.delta == pytest.approx(stood["delta"], abs=1e-9)
        assert quote.modelGreeks.impliedVol == pytest.approx(stood["iv"], abs=1e-9)
        assert spx.last == streamed["SPX"]["last"]
        assert none.bid == -1
        assert none.modelGreeks is None or none.modelGreeks.delta is None
        closes = await ib.reqHistoricalDataAsync(Index("SPX", "CBOE"), "", "5 D", "1 day", "TRADES", True)
        assert [each.close for each in closes[:-1]] == [each.close for each in day.daily["SPX"][-4:]]
        trade = ib.placeOrder(contracts[0], MarketOrder("BUY", 1))
        for _ in range(10):
            await ib.reqCurrentTimeAsync()
        assert trade.orderStatus.status == "Filled"
        assert [each.position for each in ib.positions()] == [1]
        ib.disconnect()
        await running.stop()

    in_time(reads())


# ---------------------------------------------------------------- misuse


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gateway", "--recording", "nothing.tape"], 3, "there is no recording nothing.tape"),
        (["gateway", "--recording", "yesterday"], 2, "a day is written 2026-10-21, is 'yesterday'"),
        (["gateway", "--recording", "a.tape", "--days", "2"], 2, "omit --days"),
        (["gateway", "--recording", "a.tape", "--date", "2026-10-21"], 2, "omit --date"),
        (["gateway", "--store", "a.db"], 2, "add --recording"),
        (["run", "--paper", "--sim", "--recording", "a.tape", "--market", "x"], 2, "omit --market"),
        (["run", "--paper", "--recording", "a.tape"], 2, "add --sim"),
        (["run", "--paper", "--sim", "--recording", "nothing.tape"], 3, "there is no recording nothing.tape"),
    ],
)
def test_misuse_is_reported(words: list[str], code: int, said: str, tape: Path) -> None:
    if words[0] == "run":
        words = [*words, *spec_files(["put_lite"])]
    elif "yesterday" in words:
        store = tape.parent.parent.with_name("tapes.db")
        tape.parent.parent.with_name("tapes-tapes").symlink_to(tape.parent.parent)
        words = [*words, "--store", str(store)]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, said in done.output) == (code, True), done.output


# ---------------------------------------------------------------- a chain of it


def test_a_chain_of_a_recorded_day_is_captured(tape: Path, tmp_path: Path) -> None:
    """What the file says is what the gateway serves of the day at that moment."""
    done = CliRunner().invoke(main, ["capture", str(tape), "--at", "10:35", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (file,) = tmp_path.glob("*.json")
    assert file.name == "SPX-2026-12-24-103500.json"
    chain = read_chain(file.read_text(), file.name)
    streamed = standing(tape, "15:35:00")
    assert chain.spot == streamed["SPX"]["last"]
    assert {str(each) for each in chain.options} == {each for each in streamed if each.startswith("SPXW")}
    for each, values in chain.options.items():
        assert values["bid"] == streamed[str(each)]["bid"]
        assert values["delta"] == streamed[str(each)]["delta"]
    assert chain.account.net_liquidation is not None
    assert chain.account.id == "DU0000000"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "09:29"], "no options were streamed at 09:29:00 of 2026-12-24"),
        (["--symbol", "SPY"], "no options of SPY were streamed at 10:30:00"),
    ],
)
def test_a_moment_without_a_chain_is_reported(words: list[str], said: str, tape: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["capture", str(tape), *words, "--out", str(tmp_path)])
    assert (done.exit_code, said in done.output) == (3, True), done.output
