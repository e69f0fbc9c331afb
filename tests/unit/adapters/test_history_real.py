"""Real chains, where they are: every trap that is known of them is told, and what was published comes out again."""

import json
import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.fidelity import chains, model
from rulebot.adapters.history.session import Finding, Severity
from rulebot.adapters.sources import open_source
from rulebot.cli.main import main
from rulebot.model.errors import StoreError

ROOT = Path(__file__).parents[3]
FIRST, LAST = date(1990, 1, 1), date(2027, 12, 31)
DATA = Path(os.environ.get("RULEBOT_MARKET_DATA", "/nowhere"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="RULEBOT_MARKET_DATA names no folder of market data")


def texts(findings: object) -> list[str]:
    assert isinstance(findings, tuple)
    return [each.text for each in findings if isinstance(each, Finding)]


def test_the_snapshots_of_2019_have_their_holiday_gaps_and_expired_series() -> None:
    source = open_source(f"snapshots:{DATA}/open/chains/spx_2019?stands=0")
    days = source.dates(FIRST, LAST)
    assert (len(days), date(2019, 5, 27) in days) == (36, False)
    gaps = source.gaps(FIRST, LAST)
    refused = [each.text for each in gaps if each.severity is Severity.REFUSED]
    assert refused == [
        "2019-05-27 is no session of the exchange: what it holds is stale; the level 2826.06 is that of 2019-05-24"
    ]
    lost = [each.text for each in gaps if each.text.startswith("no data of")]
    assert lost == ["no data of 2019-05-10", "no data of 2019-05-17", "no data of 2019-06-14 to 2019-06-18"]
    last = source.day(date(2019, 6, 21))
    (gone,) = (each for each in last.findings if "expired" in each.text)
    assert (gone.count, gone.severity) == (562, Severity.LEFT_OUT)
    tonight = {option.trading_class for option in last.options if option.expiry == last.date}
    assert tonight == {"SPXW"}
    assert sum(len(source.day(day).options) for day in days) == 510_756 - 13_324 - 562


def test_figures_of_the_snapshots_hold() -> None:
    assert [(each.what, each.found) for each in chains.measure(DATA) if not each.holds] == []


def test_spy_of_2025_is_judged_by_its_values() -> None:
    source = open_source(f"eod:{DATA}/limited/chains/spy_2025_eod_dte25_65.csv.gz?stands=0")
    for day in source.dates(FIRST, LAST):
        found = source.day(day)
        reported = texts(found.findings)
        assert any("option_id is the open interest and oi_2 the volume" in text for text in reported)
        assert found.open_interest is not None
        assert found.volume is not None
        assert np.nanmax(found.open_interest) > 10_000
        assert 0 < np.nansum(found.volume) < np.nansum(found.open_interest)


def test_spxw_of_2018_reports_of_its_two_times() -> None:
    source = open_source(f"eod:{DATA}/limited/chains/spxw_2018_eom.csv.gz?stands=0")
    reported = [text for day in source.dates(FIRST, LAST) for text in texts(source.day(day).findings)]
    assert sum("quotes and level have different times" in text for text in reported) >= 2
    assert any("theta is a year" in text for text in reported)


def test_spy_of_2021_reports_of_contracts_that_go() -> None:
    source = open_source(f"eod:{DATA}/open/chains/spy_2021_liquid20.csv?stands=0")
    reported = [text for day in source.dates(FIRST, LAST) for text in texts(source.day(day).findings)]
    assert sum("that have not expired are there" in text for text in reported) > 50


def test_lean_minutes_of_the_index_are_central_and_moved() -> None:
    source = open_source(f"lean:{DATA}/open/lean?symbol=spx")
    day = source.day(date(2021, 1, 4))
    assert any("Central time, and are moved by an hour" in text for text in texts(day.findings))
    assert not (day.bid > day.ask).any()
    with pytest.raises(StoreError, match="no minutes of SPX beside its options"):
        source.day(date(2021, 1, 5))


def test_lean_minutes_of_goog_are_whole() -> None:
    day = open_source(f"lean:{DATA}/open/lean?symbol=goog").day(date(2015, 12, 24))
    assert (len(day.times), len(day.options)) == (210, 2192)
    assert not (day.bid > day.ask).any()


def test_lean_daily_files_are_whole_and_report_of_the_split() -> None:
    found = {}
    for symbol in ("aapl", "goog"):
        source = open_source(f"lean:{DATA}/open/lean?symbol={symbol}&bars=daily")
        found |= {day: source.day(day) for day in source.dates(FIRST, LAST)}
    assert [(str(day), len(each.options)) for day, each in found.items()] == [
        ("2014-06-06", 2352),
        ("2014-06-09", 2180),
        ("2015-12-23", 2058),
        ("2015-12-24", 2192),
    ]
    assert not any((each.bid > each.ask).any() for each in found.values())
    assert any("as after a split of 6.9" in text for text in texts(found[date(2014, 6, 9)].findings))


def test_the_split_of_apple_is_reported() -> None:
    from rulebot.adapters.history.lean import daily_series

    series, reported = daily_series(DATA / "open/lean/equity/usa/daily/aapl.zip", "AAPL")
    assert any("on 2014-06-09" in each.text and "a split of 7" in each.text for each in reported)
    since = [series.bar(series.begins(series.before(day))).date for day in (date(2014, 6, 13), date(2021, 1, 4))]
    assert since == [date(2014, 6, 9), date(2020, 8, 31)]


def test_daily_files_lose_their_holidays() -> None:
    source = open_source(f"model:{DATA}")
    reported = texts(source.gaps(date(1999, 1, 4), date(2018, 12, 31)))
    assert any("the exchange was closed on this day" in text for text in reported)
    assert any("no data of 1999-12-31" in text for text in reported)


def test_figures_of_the_model_hold() -> None:
    rates = DATA / "limited" / "benchmarks" / "cboe_strategy_indices_monthly.csv"
    assert [(each.what, each.found) for each in model.measure(DATA, rates) if not each.holds] == []


@pytest.mark.parametrize(
    ("spec", "data", "expected"),
    [
        (
            "monthly_condor",
            "snapshots:{}/open/chains/spx_2019?at=11:00",
            (
                "2019-05-27 is no session",
                "no data of 2019-05-10",
                "no data of 2019-06-14 to 2019-06-18",
                "has expired before this session, and bid and ask are 0",
                "the exchange was closed on this day",
            ),
        ),
        (
            "spy_put_seller",
            "eod:{}/limited/chains/spy_2025_eod_dte25_65.csv.gz?at=09:32",
            ("open_interest holds the price", "contracts of 2025-01-06 that have not expired are there"),
        ),
    ],
)
def test_bots_run_over_all_sessions_and_every_trap_is_in_the_report(
    tmp_path: Path, spec: str, data: str, expected: tuple[str, ...]
) -> None:
    words = ["backtest", f"{ROOT}/specs/{spec}.yaml", "--data", data.format(DATA), "--store", f"{tmp_path}/a.db"]
    reported = CliRunner().invoke(main, [*words, "--format", "json", "--workers", "1"])
    assert reported.exit_code == 0, reported.output
    found = json.loads(reported.stdout)
    (funnel,) = found["funnels"]
    assert funnel["tried"] >= 2 or spec == "spy_put_seller"
    assert funnel["sessions"] == {"monthly_condor": 36, "spy_put_seller": 11}[spec]
    lines = [each["text"] for each in found["findings"]]
    assert [text for text in expected if not any(text in line for line in lines)] == []
