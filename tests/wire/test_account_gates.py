"""The account's limits over the wire: one simulated day on which each of them refuses an entry, and `why` says so."""

import asyncio
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import RunOptions, execute
from tests.wire.ib_fake_tws import fake_tws

DAY = date(2026, 10, 21)
ACCOUNT = """
rulebot_account: 1
about: Tight limits, each met by a bot of this test.
account: DU1234567
risk:
  entries_per_day: 4
  max_contracts_per_order: 8
  max_notional_per_order: $2000000
  price_band: 0.10
  cash_secured_puts: cash
  require:
    - worst_case: {at_most: 0.13x net_liquidation}
    - margin: {at_most: $2050}
    - name: settled
      any:
        - time: "09:55"
        - net_delta: {at_least: 1000}
"""
MARKET = """
market: 1
about: Little moves, and trading stops for a while.
start: {spx: 6000, vix: 16, gap: 0}
day: calm
volatility: {realised: 0.3}
halt:
  - {symbol: all, from: "11:30", until: "11:40"}
"""
SPREAD = """
  expiry: {dte: 0}
  on_conflict: allow
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: WIDTH pts}}
"""
PUT = """
  expiry: {dte: {nearest: 90}}
  short_put: {sell: put, strike: {delta: 0.15}}
"""
CLOSES = """
  - time: "15:30"
"""
SETTLES = """
  - at_expiry: settle
"""


def text(name: str, at: str, width: int = 5, **changes: str) -> str:
    """Return a bot that enters at a time whatever the market does."""
    sections = {
        "underlying": "SPX",
        "quantity": "1",
        "entry": f'{{at: "{at}"}}',
        "legs": SPREAD.replace("WIDTH", str(width)),
        "order": "{start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}",
        "exits": CLOSES,
        "risk": "{max_loss_per_trade: $30000}",
        **changes,
    }
    return "\n".join(
        ["rulebot: 1", f"name: {name}", "about: A bot of a test."] + [f"{k}: {v}" for k, v in sections.items()]
    )


BOTS = {
    "many": (text("many", "10:00", quantity="5"), "an order of 10 contracts, max_contracts_per_order is 8"),
    "notional": (text("notional", "10:00", quantity="2"), "max_notional_per_order is $2,000,000.00"),
    "bare": (
        text(
            "bare",
            "10:00",
            underlying="SPY",
            legs=PUT,
            entry='{at: "10:00", max_open: 1}',
            risk="{undefined_risk: allow}",
            exits=SETTLES,
        ),
        "the short puts of all bots need $",
    ),
    "wide": (text("wide", "10:00", width=50), "worst_case is at most $2,6"),
    "dear": (
        text("dear", "10:00", width=25),
        "the account would need $2,500.00 of margin, margin is at most $2,050.00",
    ),
    "eager": (
        text("eager", "10:00", order="{start: 3.00, wait: 10s, tries: 1, then: cancel}"),
        "from the mid, price_band is 0.10",
    ),
    "first": (text("first", "10:10"), ""),
    "second": (text("second", "10:11"), ""),
    "third": (text("third", "10:12"), ""),
    "fourth": (text("fourth", "10:20"), "the broker allows 3, 3 of them for positions of today"),
    "settles": (text("settles", "10:30", exits=SETTLES), ""),
    "fifth": (text("fifth", "10:40", exits=SETTLES), "all bots together have sent 4 today, entries_per_day is 4"),
    "halted": (text("halted", "11:30"), "trading is halted in SPX"),
    "early": (
        text("early", "09:45"),
        "settled of the account document does not hold: settled.time FALSE (from 09:55 on); settled.net_delta FALSE (",
    ),
}
"""Each with the words that refuse it, "" for those that enter."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a day on which all of them ran in an account of $20,000."""
    folder = tmp_path_factory.mktemp("gates")
    for name, (body, _) in BOTS.items():
        (folder / f"{name}.yaml").write_text(body, encoding="utf-8")
    (folder / "account.yml").write_text(ACCOUNT, encoding="utf-8")
    (folder / "market.yml").write_text(MARKET, encoding="utf-8")
    desk = load_all_bots([str(folder / f"{name}.yaml") for name in BOTS], {}, folder / "account.yml")
    options = RunOptions(store=folder / "day.db", logs=None, sessions=1, install="g")
    sim = SimSettings(first_day=DAY, cash=Decimal(20000), market=str(folder / "market.yml"), data_seconds=15)

    def ignore(*_: object) -> None: ...

    asyncio.run(execute(desk, options, simulated(sim, 1), ignore, ignore))
    return folder / "day.db"


@pytest.mark.long
@pytest.mark.parametrize("bot", BOTS)
def test_ci_why_names_the_limit(bot: str, store: Path) -> None:
    words = BOTS[bot][1]
    reported = CliRunner().invoke(main, ["why", bot, "--store", str(store)])
    assert reported.exit_code == 0, reported.output
    flat = " ".join(reported.stdout.split())
    if words:
        assert f"{bot} did not trade on {DAY}." in flat
        assert "refused: " in flat
        assert words in flat
    else:
        assert f"{bot} traded on {DAY}." in flat
        assert "refused" not in flat


def test_an_account_in_another_currency_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(BOTS["first"][0], encoding="utf-8")

    async def scenario() -> tuple[int, str]:
        euros = {"6": lambda _: [(6, 2, "NetLiquidation", "100000.00", "EUR", "DU1"), (54, 1, "DU1")]}
        async with fake_tws(answers=euros) as fake:
            runner = CliRunner(
                env={"RULEBOT_PORT": str(fake.port), "RULEBOT_HOST": "127.0.0.1", "RULEBOT_DATA": str(tmp_path)}
            )
            arguments = ["run", "--paper", "--store", str(tmp_path / "s.db"), str(tmp_path / "first.yaml")]
            result = await asyncio.to_thread(runner.invoke, main, arguments)
            return result.exit_code, result.output

    code, output = asyncio.run(scenario())
    assert code == 3, output
    assert "account DU1 is kept in EUR; every limit, price and report here is in US dollars" in output
    assert "use an account whose base currency is USD" in output
