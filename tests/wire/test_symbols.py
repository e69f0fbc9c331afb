"""Symbols asked of the simulated gateway over TCP, and what the answers mean."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from ib_fake_tws import Fields, fake_tws
from ib_session import connected, gateway, run

from rulebot.adapters.ib.history import SessionOpenPrices
from rulebot.adapters.ib.link import known_contract, symbol_facts
from rulebot.cli.main import main
from rulebot.model.contract import Underlying
from rulebot.model.errors import UnavailableError
from rulebot.model.facts import KnownContract, SymbolFacts
from rulebot.scan.scan import trouble_with

AAPL = KnownContract(con_id=265598, is_index=False, exchange="NASDAQ", name="APPLE INC")
LISTED = {"AAPL": (date(2026, 11, 20),)}
UNIVERSE = "rulebot_universe: 1\nabout: Two categories.\ncategories:\n  old: [TWTR, AAPL]\n  new: [SPX, AAPL, VIX]\n"


def test_what_the_gateway_has_under_a_symbol() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            found = await symbol_facts(world.link, "SPX", 30)
            spx = KnownContract(con_id=416904, is_index=True, exchange="CBOE", name="S&P 500 Stock Index")
            assert found.contracts == (spx,)
            assert found.expiries.keys() == {"SPX", "SPXW"}
            assert found.expiries["SPXW"] == tuple(sorted(found.expiries["SPXW"]))
            assert (await symbol_facts(world.link, "AAPL", 30)).contracts == (AAPL,)
            assert await symbol_facts(world.link, "TWTR", 30) == SymbolFacts("TWTR", ())
            assert (await symbol_facts(world.link, "VIX", 30)).expiries == {}

    run(scenario())


@pytest.mark.parametrize("version", [163, 176])
def test_a_row_is_read_as_its_version_lays_it_out(version: int) -> None:
    head = ["AAPL", "STK", "", "0", "", "SMART", "USD", "AAPL", "NMS", "NMS", "265598", "0.01"]
    rest = ["", "ACTIVETIM", "SMART", "1", "0", "APPLE INC", "NASDAQ", ""]
    row = ["10", "8", "9001", *head, "100", *rest] if version < 164 else ["10", "9001", *head, *rest]
    assert known_contract(row, version) == AAPL
    assert known_contract([field.replace("NASDAQ", "") for field in row], version) == replace(AAPL, exchange="SMART")


def test_why_bots_cannot_trade_a_symbol() -> None:
    other = replace(AAPL, con_id=7, exchange="PINK", name="APPLE PIE")
    assert trouble_with(SymbolFacts("AAPL", (AAPL,), LISTED)) == ""
    assert trouble_with(SymbolFacts("AAPL", ())).startswith("gone: ")
    assert trouble_with(SymbolFacts("AAPL", (AAPL, other))) == (
        "ambiguous: the broker has 2 of them: APPLE INC (NASDAQ, 265598), APPLE PIE (PINK, 7)"
    )
    assert trouble_with(SymbolFacts("AAPL", (AAPL,))) == "no options: the broker lists none on it"
    assert trouble_with(SymbolFacts("SPX", (AAPL,), LISTED)) == "no options SPXW: the broker lists AAPL"


def _shares(req_id: str, con_id: int, exchanges: str, primary: str) -> tuple[object, ...]:
    """Return contractData (10) of a fund KWEB in dollars."""
    head = (10, req_id, "KWEB", "STK", "", 0, "", "SMART", "USD", "KWEB", "KWEB", "KWEB", con_id, 0.01)
    return (*head, "", "LMT", exchanges, 1, 0, f"A FUND OF {primary}", primary, "", "", "", "", "US/Eastern", "", "")


@pytest.fixture
def no_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing ask for opens, which the feed does beside the loop while an exchange is open."""
    monkeypatch.setattr(SessionOpenPrices, "look", lambda *_: None)


@pytest.mark.usefixtures("no_opens")
def test_a_line_refused_after_its_contract_became_known_is_asked_again_at_once() -> None:
    """While the exchange was open the contract came before the refusal, and the line stood still for ten minutes."""
    ambiguous = "The contract description specified for KWEB is ambiguous."

    def details(fields: Fields) -> list[tuple[object, ...]]:
        return [_shares(fields[2], 133123, "SMART,ARCA", "ARCA"), (52, 1, fields[2])]

    async def scenario() -> None:
        answers = {"9": details, "78": lambda fields: [(76, fields[1])]}
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([Underlying("KWEB")])
            (asked,) = await fake.until_asked("1")
            with pytest.raises(UnavailableError, match="lists no options"):
                await world.feed.listing("KWEB", "KWEB")
            fake.push(4, 2, asked[2], 200, ambiguous, "")
            while len(lines := [each for each in fake.asked if each[0] == "1"]) < 2:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            assert [each[3] for each in lines] == ["0", "133123"]
            fake.push(4, 2, lines[1][2], 200, ambiguous, "")
            while Underlying("KWEB") not in world.feed.troubles:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            for _ in range(20):
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            assert len([each for each in fake.asked if each[0] == "1"]) == 2, "by its id it is refused for good"

    run(scenario())


@pytest.mark.usefixtures("no_opens")
def test_a_fund_that_is_listed_in_london_too_is_the_american_one() -> None:
    """KWEB could not be traded, and the second question had taken the one that was told first, that of London."""
    london = (7, "SMART,LSEETF", "LSEETF")
    american = (133123, "SMART,AMEX,NYSE,CBOE,ARCA", "ARCA")
    asked: list[str] = []

    def prices(fields: Fields) -> list[tuple[object, ...]]:
        asked.append(fields[3])
        refusal = (4, 2, fields[2], 200, "The contract description specified for KWEB is ambiguous.", "")
        return [refusal] if fields[3] == "0" else [(1, 6, fields[2], 4, 31.5, 0, 0)]

    async def scenario() -> None:
        found = [london, american]

        def details(fields: Fields) -> list[tuple[object, ...]]:
            return [*(_shares(fields[2], *each) for each in found), (52, 1, fields[2])]

        answers = {"1": prices, "9": details, "78": lambda fields: [(76, fields[1])]}
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, _):
            feed, kweb = world.feed, Underlying("KWEB")
            feed.watch([kweb])
            while kweb not in feed.troubles:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            assert [each.exchange for each in (await symbol_facts(world.link, "KWEB", 5)).contracts] == ["ARCA"]
            with pytest.raises(UnavailableError, match="lists no options"):
                await feed.listing("KWEB", "KWEB")
            assert fake.asked[-1][-1] == "133123"
            while kweb in feed.troubles:
                await world.link.next(world.link.now + timedelta(seconds=0.01))
            assert (asked, feed.board.last[feed.board.rows[kweb]]) == (["0", "133123"], 31.5)
        found.remove(american)
        found.append(london)
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, _):
            for _ in range(2):
                with pytest.raises(UnavailableError, match="the broker lists 2 contracts for KWEB, one is needed"):
                    await world.feed.listing("KWEB", "KWEB")

    run(scenario())


# ---------------------------------------------------------------- the command


def symbols(*words: str) -> Result:
    return CliRunner().invoke(main, ["symbols", *words])


def test_the_command_names_each_symbol_once_and_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "liquid.yaml").write_text(UNIVERSE)
    found = symbols("--sim", str(tmp_path))
    assert found.exit_code == 1, found.stderr
    lines = found.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["TWTR", "AAPL", "SPX", "VIX", "4"]
    assert " gone: the broker has no " in lines[0]
    assert lines[1] == " AAPL  stock  NASDAQ  APPLE INC; options AAPL to 2028-12-15"
    assert "no options: the broker lists none on it" in lines[3]
    assert lines[4] == "4 symbols: 2 fine, 2 not"


def test_symbols_of_a_bot_for_machines() -> None:
    found = symbols("--sim", "--format", "json", "spx_spy_parity")
    assert found.exit_code == 0, found.stderr
    rows = json.loads(found.stdout)["symbols"]
    assert [(row["symbol"], row["trouble"], row["contracts"][0]["exchange"]) for row in rows] == [
        ("SPX", "", "CBOE"),
        ("SPY", "", "ARCA"),
    ]


def test_misuse_and_a_broker_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "liquid.yaml").write_text(UNIVERSE.replace("SPX", "spx"))
    assert symbols("--sim", str(tmp_path)).exit_code == 1
    assert "error[RB152]" in symbols("--sim", str(tmp_path)).stderr
    (tmp_path / "liquid.yaml").write_text(UNIVERSE)
    assert symbols("--sim", "--client-id", "3", str(tmp_path)).exit_code == 2
    assert symbols("--gateway", "nowhere", str(tmp_path)).exit_code == 2
    account = "rulebot_account: 1\nabout: x\naccount: DU1234567\nrisk: {max_open: 1}\n"
    (tmp_path / "account.yaml").write_text(account)
    assert "none of these files names a symbol" in symbols("--sim", str(tmp_path / "account.yaml")).stderr
    assert symbols("--gateway", "127.0.0.1:1", str(tmp_path)).exit_code == 3


def test_a_universe_loses_what_bots_cannot_trade(tmp_path: Path) -> None:
    file, bot = tmp_path / "universe.yaml", tmp_path / "smallest.yaml"
    file.write_text(UNIVERSE.replace("old: [TWTR, AAPL]", "old: [TWTR, AAPL]  # of 2020"), encoding="utf-8")
    bot.write_text((Path("examples") / "smallest.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    before = bot.read_text(encoding="utf-8")
    found = CliRunner().invoke(main, ["symbols", "--sim", "--refresh", str(tmp_path)])
    assert (found.exit_code, "removed TWTR, VIX" in " ".join(found.stderr.split())) == (1, True)
    assert "old: [AAPL]" in file.read_text(encoding="utf-8")
    assert "# of 2020" in file.read_text(encoding="utf-8")
    assert "new: [SPX, AAPL]" in file.read_text(encoding="utf-8")
    assert bot.read_text(encoding="utf-8") == before
    again = CliRunner().invoke(main, ["symbols", "--sim", "--refresh", str(tmp_path)])
    assert (again.exit_code, "removed" in again.stderr) == (0, False)


def test_a_universe_of_which_nothing_is_left_stays(tmp_path: Path) -> None:
    file = tmp_path / "universe.yaml"
    text = UNIVERSE.replace("[TWTR, AAPL]", "[TWTR]").replace("[SPX, AAPL, VIX]", "[VIX]")
    file.write_text(text, encoding="utf-8")
    before = file.read_text(encoding="utf-8")
    found = CliRunner().invoke(main, ["symbols", "--sim", "--refresh", str(file)])
    assert found.exit_code == 2, found.output
    assert "no symbol would be left" in found.stderr
    assert file.read_text(encoding="utf-8") == before
