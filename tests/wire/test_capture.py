"""A chain is captured, served as a standing market, and read back by another client: the same numbers."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from ib_async import Contract, LimitOrder
from plain_client import plain_client

from rulebot.capture import captured as asking
from rulebot.capture.captured import captured
from rulebot.capture.chain import read_chain
from rulebot.cli.main import main
from twsim import GatewaySettings, ReplayedMarket, start_gateway

EXAMPLE = Path(__file__).parents[2] / "examples" / "chains" / "spx.json"


def in_time(test: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def test_ib_async_reads_the_numbers_of_the_file() -> None:
    reported = json.loads(EXAMPLE.read_text())
    given = captured([EXAMPLE])

    async def reads() -> None:
        settings = GatewaySettings(first_day=given.market.day, cash=given.cash, account=given.account)
        running = await start_gateway(settings, market=ReplayedMarket(given.market))
        ib = await plain_client(running.port)
        values = {each.tag: each.value for each in ib.accountValues()}
        assert ib.managedAccounts() == [reported["account"]["id"]]
        assert values["NetLiquidation"] == reported["account"]["net_liquidation"]
        (index,) = await ib.qualifyContractsAsync(Contract(secType="IND", symbol="SPX", exchange="CBOE"))
        (chain,) = {
            each.tradingClass: each for each in await ib.reqSecDefOptParamsAsync("SPX", "", "IND", index.conId)
        }.values()
        assert [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in chain.expirations] == list(reported["expiries"]["SPXW"])
        assert chain.strikes == reported["expiries"]["SPXW"]["2026-10-21"]
        details = await ib.reqContractDetailsAsync(
            Contract(
                secType="OPT",
                symbol="SPX",
                tradingClass="SPXW",
                lastTradeDateOrContractMonth="20261021",
                exchange="SMART",
            )
        )
        listed = {(each.contract.strike, each.contract.right): each.contract for each in details}
        assert len(listed) == 2 * len(chain.strikes)
        spot = ib.reqMktData(index)
        rows = [(each, ib.reqMktData(listed[each["strike"], each["right"]])) for each in reported["chain"]]
        await ib.reqCurrentTimeAsync()
        assert (spot.last, spot.close, spot.high) == tuple(
            reported["levels"]["SPX"][name] for name in ("last", "previous_close", "high")
        )
        for row, ticker in rows:
            names = "bid", "ask", "bid_size", "ask_size", "last", "previous_close"
            found = ticker.bid, ticker.ask, ticker.bidSize, ticker.askSize, ticker.last, ticker.close
            assert found == tuple(row[name] for name in names)
            greeks = ticker.modelGreeks
            assert greeks is not None
            assert (greeks.impliedVol, greeks.delta, greeks.gamma, greeks.vega, greeks.theta, greeks.optPrice) == tuple(
                row[name] for name in ("iv", "delta", "gamma", "vega", "theta", "model_price")
            )
            assert greeks.undPrice == reported["spot"]
        row, ticker = rows[0]
        for _ in range(120):
            await ib.reqCurrentTimeAsync()
        assert ticker.bid == row["bid"]  # nothing moves
        trade = ib.placeOrder(ticker.contract, LimitOrder("BUY", 1, row["ask"]))
        for _ in range(10):
            await ib.reqCurrentTimeAsync()
        assert trade.orderStatus.status == "Filled"
        ib.disconnect()
        await running.stop()

    in_time(reads())


def test_faults_come_over_a_given_market_too(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"faults": [{"kind": "halt", "at": "09:31:00", "seconds": 60, "symbol": "SPY"}]}')
    given = captured([EXAMPLE])

    async def reads() -> None:
        settings = GatewaySettings(first_day=given.market.day, faults_file=plan)
        running = await start_gateway(settings, market=ReplayedMarket(given.market))
        ib = await plain_client(running.port)
        (spy,) = await ib.qualifyContractsAsync(Contract(secType="STK", symbol="SPY", exchange="SMART", currency="USD"))
        ticker = ib.reqMktData(spy)
        halted = []
        for _ in range(190):
            await ib.reqCurrentTimeAsync()
            halted.append(ticker.halted)
        assert (halted[100], halted[150], halted[-1]) == (0, 1, 0)
        ib.disconnect()
        await running.stop()

    in_time(reads())


@contextmanager
def served(*words: str) -> Iterator[int]:
    """Yield the port of a `rulebot gateway` in a process of its own."""
    command = [sys.executable, "-m", "rulebot.cli.main", "gateway", "--port", "0", "--speed", "max", *words]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[1].split()[0])
        try:
            yield port
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are sent in another way there")
def test_a_chain_that_is_served_is_captured_again_as_it_was(tmp_path: Path) -> None:
    with served("--chain", str(EXAMPLE)) as port:
        words = ["capture", "--sim", "--gateway", f"127.0.0.1:{port}", "--symbol", "SPX", "--within", "1"]
        done = CliRunner().invoke(main, [*words, "--out", str(tmp_path), "--format", "json"])
    assert done.exit_code == 0, done.output
    (file,) = tmp_path.glob("*.json")
    first, again = (read_chain(each.read_text(), "a") for each in (EXAMPLE, file))
    assert again.at.date() == first.at.date()
    assert replace(again, at=first.at, seconds=first.seconds) == first
    assert json.loads(done.output)["captures"][0]["options"] == len(first.options)


def test_one_of_our_own_simulated_market(tmp_path: Path) -> None:
    words = ["capture", "--sim", "--symbol", "SPX", "--at", "10:30", "--within", "1", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    (file,) = tmp_path.glob("*.json")
    assert file.name == "SPX-2026-10-21-103003.json"
    assert file.read_text() == EXAMPLE.read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--paper", "--live"], 2, "--paper and --live are two gateways"),
        (["--gateway", "127.0.0.1:4002"], 2, "--gateway is one of three"),
        (["--class", "SPXW"], 2, "--class is what a gateway is asked for"),
        (["--sim", "2026-10-21"], 2, "two sources"),
        (["--paper", "--at", "10:30", "--symbol", "SPX"], 2, "leave --at out"),
        (["--sim"], 2, "one chain at a time"),
        (["--sim", "--symbol", "SPX", "--at", "18:00"], 2, "does not reach 18:00:00"),
        (["--sim", "--symbol", "SPX", "--expiry", "2026-10-24"], 2, "SPXW has no expiry 2026-10-24"),
        (["--sim", "--symbol", "NONE"], 3, "the broker refused the contract of NONE"),
        (["--sim", "--symbol", "SPX", "--class", "XX"], 3, "it lists SPX, SPXW"),
        (["nothing.tape"], 3, "there is no recording nothing.tape"),
    ],
)
def test_misuse_is_reported(words: list[str], code: int, said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["capture", *words, "--out", str(tmp_path / "out")])
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert not (tmp_path / "out").exists()


def test_a_day_without_a_session_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "session_on", lambda day: None)
    done = CliRunner().invoke(main, ["capture", "--sim", "--symbol", "SPX", "--out", str(tmp_path)])
    assert (done.exit_code, list(tmp_path.iterdir())) == (3, [])
    assert "the exchange is closed on 2026-10-21" in done.output


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    done = CliRunner().invoke(main, ["capture", "--sim", "--symbol", "SPX", "--out", str(tmp_path / "out" / "deeper")])
    assert done.exit_code == 3
    assert "cannot be written" in done.output


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--chain", str(EXAMPLE), "--recording", "a.tape"], 2, "two markets"),
        (["--chain", str(EXAMPLE), "--days", "2"], 2, "omit --days"),
        (["--chain", "nothing.json"], 3, "nothing.json cannot be read"),
        (["--chain", str(Path(__file__))], 1, "is not JSON"),
    ],
)
def test_a_gateway_says_what_is_no_chain(words: list[str], code: int, said: str) -> None:
    done = CliRunner().invoke(main, ["gateway", *words])
    assert (done.exit_code, said in done.output) == (code, True), done.output
