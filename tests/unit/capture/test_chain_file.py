"""The file of a captured chain: one text for one chain, read back exactly; what is wrong in it is named by its key."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rulebot.capture.captured import captured, chains_at, still_day
from rulebot.capture.chain import NO_ACCOUNT, CapturedChain, chain_text, read_chain
from rulebot.capture.recorded import Recorded
from rulebot.model.contract import Option, Right
from rulebot.model.errors import MisuseError, SpecError, StoreError
from rulebot.model.facts import Account, Listing
from twsim import ReplayedMarket
from twsim.seams import ContractSearch

AT = datetime(2026, 10, 21, 14, 30, 3, tzinfo=UTC)
DAY, NEXT = date(2026, 10, 21), date(2026, 10, 22)
EXAMPLE = Path(__file__).parents[3] / "examples" / "chains" / "spx.json"


def option(strike: str, right: Right, expiry: date = DAY) -> Option:
    return Option("SPX", "SPXW", expiry, Decimal(strike), right)


CHAIN = CapturedChain(
    at=AT,
    seconds=8,
    source="paper",
    symbol="SPX",
    levels={"VIX": {"last": 16.2}, "SPX": {"last": 5954.17, "previous_close": 5940.0, "open": 5950.5}},
    listings=(Listing("SPX", "SPXW", (DAY, NEXT), {DAY: (Decimal(5950), Decimal("5955.5"))}),),
    options={
        option("5955.5", Right.PUT): {"bid": 10.1, "ask": 10.3, "bid_size": 4, "ask_size": 7, "open_interest": 120},
        option("5950", Right.PUT): {
            "bid": 8.0, "ask": 8.2, "iv": 0.123456, "delta": -0.45, "gamma": 0.00812345, "vega": 1.5, "theta": -20.25,
            "model_price": 8.1001,
        },
        option("5950", Right.CALL): {"ask": 12.5, "ask_size": 1},
    },
    account=Account(id="U7654321", net_liquidation=Decimal("52000.10"), cash=Decimal(1000)),
)  # fmt: skip


def test_a_chain_is_read_back_exactly_without_the_number_of_the_account() -> None:
    text = chain_text(CHAIN)
    assert "7654321" not in text
    found = read_chain(text, "a.json")
    account = replace(CHAIN.account, id=NO_ACCOUNT)
    assert found == replace(CHAIN, account=account)
    assert chain_text(found) == text


def test_the_text_is_sorted_whatever_came_first() -> None:
    turned = replace(
        CHAIN,
        options=dict(reversed(CHAIN.options.items())),
        levels=dict(reversed(CHAIN.levels.items())),
    )
    assert chain_text(turned) == chain_text(CHAIN)
    reported = json.loads(chain_text(CHAIN))
    assert [(each["strike"], each["right"]) for each in reported["chain"]] == [(5950, "C"), (5950, "P"), (5955.5, "P")]
    assert list(reported["levels"]) == ["SPX", "VIX"]
    assert reported["spot"] == 5954.17
    assert CHAIN.file_name == "SPX-2026-10-21-103003.json"


def test_a_chain_stands_still_as_a_market() -> None:
    market = ReplayedMarket(still_day([CHAIN]))
    for clock in (AT.replace(hour=13), AT.replace(hour=20)):
        market.advance(clock)
        (put,) = market.catalogue.search(ContractSearch(symbol="SPX", strike=5950.0, right="P", last_trade="20261021"))
        ticks = market.ticks((put.con_id,))
        assert (ticks.bid[0], ticks.ask[0], ticks.delta[0], ticks.spot[0]) == (8.0, 8.2, -0.45, 5954.17)
    spx = market.catalogue.underlying("SPX")
    assert spx is not None
    assert market.stats(spx.con_id).previous_close == 5940.0
    (row,) = market.catalogue.option_params(spx.con_id)
    assert (row.trading_class, row.expiries, row.strikes) == ("SPXW", (DAY, NEXT), (5950.0, 5955.5))


def test_a_chain_of_a_market_is_the_chain_again() -> None:
    day = still_day([CHAIN])
    (found,) = chains_at(Recorded(day, ((AT, CHAIN.account),)), AT)
    assert replace(found, seconds=8, source="paper", account=CHAIN.account) == CHAIN


def test_a_moment_without_quotes_is_reported() -> None:
    day = still_day([CHAIN])
    none = replace(day, at=day.at + 1e5)
    with pytest.raises(StoreError, match="no options were streamed at 10:30:03 of 2026-10-21"):
        chains_at(Recorded(none, ()), AT)
    with pytest.raises(StoreError, match="no options of SPY were streamed") as reported:
        chains_at(Recorded(day, ()), AT, ["SPY"])
    assert "there were those of SPX" in str(reported.value.help)


def test_chains_of_two_symbols_are_one_market_and_of_two_days_none(tmp_path: Path) -> None:
    spy = Option("SPY", "SPY", DAY, Decimal(595), Right.PUT)
    listing = Listing("SPY", "SPY", (DAY,), {})
    later = replace(
        CHAIN, symbol="SPY", at=AT.replace(minute=31), listings=(listing,), options={spy: {"bid": 1.0, "ask": 1.01}},
        levels={"SPY": {"last": 595.4}, "SPX": {"last": 5955.0}},
    )  # fmt: skip
    files = []
    for each in (later, CHAIN):
        files.append(tmp_path / each.file_name)
        files[-1].write_text(chain_text(each))
    found = captured(files)
    market = ReplayedMarket(found.market)
    market.advance(AT)
    assert {each.symbol for each in found.market.contracts} == {"SPX", "SPY", "VIX"}
    spx = market.catalogue.underlying("SPX")
    assert spx is not None
    assert market.ticks((spx.con_id,)).last[0] == 5955.0  # the later one counts
    assert (found.cash, found.account) == (Decimal("52000.10"), NO_ACCOUNT)
    with pytest.raises(MisuseError, match="these have 2026-10-21, 2026-10-22"):
        still_day([CHAIN, replace(CHAIN, at=AT.replace(day=22))])


def test_the_example_is_as_it_would_be_written() -> None:
    text = EXAMPLE.read_text()
    chain = read_chain(text, "spx.json")
    assert chain_text(chain) == text
    assert chain.source == "simulated"
    assert np.isfinite([values["delta"] for values in chain.options.values()]).all()


# ---------------------------------------------------------------- what is wrong


def put(*keys: Any) -> Callable[[Any], None]:
    """Return what sets the value at these keys, the last one being the value; `...` deletes."""

    def change(reported: Any) -> None:
        *path, last, value = keys
        for key in path:
            reported = reported[key]
        if value is ...:
            del reported[last]
        else:
            reported[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("format", "captured chain 2"), "a.json: is no captured chain"),
        (put("extra", 1), "a.json: extra: is not known here"),
        (put("chain", ...), "a.json: chain: is missing"),
        (put("at", "2026-10-21T14:30:03"), "a.json: at: is '2026-10-21T14:30:03'; write an instant with its zone"),
        (put("at", "2026-10-24T14:30:03+00:00"), "closed on that day"),
        (put("spot", 1.0), "a.json: spot: is 1.0; levels.SPX.last says 5954.17"),
        (put("levels", "SPX", "last", "high"), "a.json: levels.SPX.last: is 'high'; write a number"),
        (put("levels", "SPX", "delta", 1), "a.json: levels.SPX.delta: is not known here"),
        (put("expiries", "SPXW", "soon", []), "a.json: expiries.SPXW: is 'soon'; write a day"),
        (put("expiries", "SPXW", "2026-10-21", 0, -5), "a strike is above 0"),
        (put("chain", 0, "bid", True), "a.json: chain[0].bid: is True; write a number"),
        (put("chain", 0, "bid", float("nan")), "a.json: chain[0].bid: is nan; write a number"),
        (put("chain", 0, "right", "call"), "a.json: chain[0].right: is 'call'; use C or P"),
        (put("chain", 0, "strike", ...), "a.json: chain[0].strike: is missing"),
        (put("chain", 1, "right", "C"), "a.json: chain[1]: is SPXW 2026-10-21 5950C, which is in the chain already"),
        (put("chain", 0, "mid", 3), "a.json: chain[0].mid: is not known here"),
        (put("chain", "many"), "a.json: chain: is 'many'; write a list of options"),
        (put("account", "cash", "much"), "a.json: account.cash: is 'much'; write dollars"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(change: Callable[[Any], None], said: str) -> None:
    reported = json.loads(chain_text(CHAIN))
    change(reported)
    with pytest.raises(SpecError) as error:
        read_chain(json.dumps(reported), "a.json")
    assert said in error.value.message


def test_what_is_no_json_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"a\.json: is not JSON"):
        read_chain("{", "a.json")
    with pytest.raises(StoreError, match="cannot be read"):
        captured([tmp_path / "nothing.json"])
