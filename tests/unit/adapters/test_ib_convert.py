"""Raw fields to values, sentinels to None."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from rulebot.adapters.ib import convert
from rulebot.adapters.ib.contracts import ContractBook
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.event import BrokerStatus


def raw(text: str) -> list[str]:
    return text.split("|")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.7976931348623157E308",
        "1.7976931348623157e+308",
        "2147483647",
        "9223372036854775807",
        "Infinity",
        "-Infinity",
        "NaN",
    ],
)
def test_unset_numbers_are_none(text: str) -> None:
    assert convert.decimal(text) is None


def test_numbers_keep_their_digits() -> None:
    assert str(convert.decimal("1.2840")) == "1.2840"
    assert convert.decimal("-0.15") == Decimal("-0.15")
    assert convert.decimal("0") == 0


def test_text_is_no_number() -> None:
    with pytest.raises(ValueError, match="'much'"):
        convert.decimal("much")


def test_an_unset_id_is_read_as_zero() -> None:
    assert [convert.whole(text) for text in ("", "2147483647", "7", "7.0", "-1")] == [0, 0, 7, 7, -1]


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("20251124 10:00:05 US/Eastern", 15),
        ("20251124 10:00:05 America/New_York", 15),
        ("20251124 10:00:05 US/Central", 16),
        ("20251124 10:00:05 Europe/London", 10),
        ("20251124 10:00:05 EST", 15),
        ("20251124 10:00:05 GMT Standard Time", 10),
        ("20251124 11:00:05 Central European Standard Time", 10),
        ("20251124 19:00:05 JST", 10),
        ("20251124 15:30:05 UTC+05:30", 10),
        ("20251124-10:00:05", 10),
    ],
)
def test_execution_times_of_every_zone_spelling_are_read_in_utc(text: str, hour: int) -> None:
    assert convert.instant(text) == datetime(2025, 11, 24, hour, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "20261021 10:00:15 US/Eastern",
        "20261021 10:00:15 Eastern Daylight Time",
        "20261021 15:00:15 British Summer Time",
        "20261021 16:00:15 Central European Standard Time",
        "20261021 16:00:15 MESZ",
        "20261021 23:00:15 JST",
    ],
)
def test_one_instant_by_the_clocks_of_several_logins(text: str) -> None:
    assert convert.instant(text) == datetime(2026, 10, 21, 14, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Nowhere/Land", "IST", "CST", "LOCKSTEP", "localtime", "GMT+25"])
def test_a_time_of_an_unknown_or_ambiguous_zone_is_unknown(zone: str) -> None:
    """Times of any other zone counted as New York's: fills were hours old, and positions were put on hold."""
    assert convert.instant(f"20251124 10:00:05 {zone}") is None


def test_a_time_without_a_zone_is_of_the_login() -> None:
    reported = "20251124  10:00:05"
    assert convert.instant(reported) is None
    assert convert.instant(reported, "US/Eastern") == datetime(2025, 11, 24, 15, 0, 5, tzinfo=UTC)
    assert convert.instant(reported, "JST") == datetime(2025, 11, 24, 1, 0, 5, tzinfo=UTC)


def test_contracts_are_read_and_a_combo_is_none() -> None:
    text = "435262612|SPX|OPT|20251124|5860.0|P|100|SMART|USD|SPXW  251124P05860000|SPXW"
    expected = Option("SPX", "SPXW", date(2025, 11, 24), Decimal(5860), Right.PUT)
    found = convert.contract(raw(text))
    assert found == expected
    assert found is not None
    assert found.con_id == 435262612
    assert convert.contract(raw(text.replace("|20251124|", "|20251124 15:00 US/Central|"))) == expected
    assert convert.contract(raw("756733|SPY|STK||0|?||SMART|USD|SPY|SPY")) == Underlying("SPY")
    assert convert.contract(raw("28812380|SPX|BAG||0|?||SMART|USD|SPX|COMB")) is None


@pytest.mark.parametrize(
    "reported",
    [
        "20251124",
        "20251124 15:00 US/Central",
        "20251125 05:00:00 Asia/Shanghai",
        "20251125 08:00:00 Australia/Sydney",
        "20251124 22:00:00 Europe/Zurich",
        "20251124-21:00:00",
        "20251124 15:00 CST",
        "20251125 06:00:00 JST",
        "20251124 at noon",
    ],
)
def test_an_option_ends_on_the_day_of_its_exchange_wherever_tws_has_logged_in(reported: str) -> None:
    """In Shanghai it was the day after: no combo of that day's options found the numbers of its legs."""
    book = ContractBook()
    (found,) = book.learn_details([raw(f"10|7|SPX|OPT|{reported}|5860|P|SMART|USD|X|SPXW|SPXW|99|0.05|100|rest")], 178)
    assert found.expiry == date(2025, 11, 24)
    assert book.con_id(Option("SPX", "SPXW", date(2025, 11, 24), Decimal(5860), Right.PUT)) == 99


@pytest.mark.parametrize(
    ("reported", "name", "last"),
    [
        ("20261022 05:00:00 JST", "SPXW  261021P05860000", date(2026, 10, 21)),
        ("20261022 05:00:00 Nowhere", "SPXW  261021P05860000", date(2026, 10, 21)),
        ("20261022", "SPXW  261021P05860000", date(2026, 10, 21)),
        (
            "20261015",
            "SPX   261016P05860000",
            date(2026, 10, 15),
        ),  # settled at the open: its last day is the one before
        ("20261016", "SPX   261016P05860000", date(2026, 10, 15)),
        ("20261021", "of no clearing house", date(2026, 10, 21)),
    ],
)
def test_the_name_at_the_clearing_house_decides_the_last_day(reported: str, name: str, last: date) -> None:
    found = convert.contract(raw(f"99|SPX|OPT|{reported}|5860|P|100|SMART|USD|{name}|{name.split()[0]}"))
    assert isinstance(found, Option)
    assert found.expiry == last


def test_a_last_day_by_an_unknown_zone_alone_is_an_error() -> None:
    with pytest.raises(ValueError, match="the last day is unknown: '20261022 05:00 CST'"):
        convert.last_day("20261022 05:00 CST")


def test_what_is_listed_in_another_currency_is_no_contract_of_a_bot() -> None:
    """Shares of SAP in Frankfurt counted as those of New York: they covered calls, and SAP was quoted in euros."""
    assert convert.contract(raw("14204|SAP|STK||0|?||IBIS|EUR|SAP|XETRA")) is None
    assert convert.contract(raw("81|SHOP|OPT|20251219|150|C|100|CDE|CAD|SHOP 251219C00150000|SHOP")) is None
    book = ContractBook()
    assert book.learn_details([raw("10|7|SHOP|OPT|20251219|150|C|CDE|CAD|X|SHOP|SHOP|81|0.05|100|rest")], 178) == []
    assert book.con_id(Option("SHOP", "SHOP", date(2025, 12, 19), Decimal(150), Right.CALL)) == 0


@pytest.mark.parametrize(
    ("reported", "strike"),
    [
        ("SPX   NOV2025 5860 P [SPXW  251124P05860000 100]|OPT|0|0|0||SMART|USD||", "5860"),
        ("SPX|OPT||0.0|?|100|SMART|USD|SPXW  251124P05862500|", "5862.5"),
    ],
)
def test_an_option_of_which_tws_knows_the_name_alone(reported: str, strike: str) -> None:
    """Told so as a position it let no connection be made any more, and as a contract it ended the run."""
    expected = Option("SPX", "SPXW", date(2025, 11, 24), Decimal(strike), Right.PUT)
    found = convert.contract(raw(f"435262612|{reported}"))
    assert found == expected
    assert (str(found), found.con_id if found else 0) == (str(expected), 435262612)
    symbol, kind, expiry, zero, right, times, venue, currency, name, group = raw(reported)
    row = ["10", "7", symbol, kind, expiry, zero, right, venue, currency, name, "X", group, "99", "0.05", times]
    assert ContractBook().learn_details([row], 178) == [expected]


def test_an_option_without_a_right_is_an_error() -> None:
    with pytest.raises(ValueError, match="right is"):
        convert.contract(raw("1|SPX|OPT|20251124|5860|?|100|SMART|USD|X|SPXW"))


def test_statuses_and_texts() -> None:
    assert convert.status("PreSubmitted") is convert.status("Submitted") is BrokerStatus.WORKING
    assert convert.status("PendingCancel") is convert.status("PendingSubmit") is BrokerStatus.PENDING
    assert convert.status("ApiCancelled") is convert.status("Cancelled") is BrokerStatus.CANCELLED
    assert convert.status("ApiPending") is None
    assert convert.plain_text("na\\u00efve") == "naïve"
    assert convert.plain_text("C:\\path") == "C:\\path"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("a\x1b[2Jb", "a [2Jb"),
        ("a\\u001b[2Jb", "a [2Jb"),
        ("one\r\ntwo\x07", "one  two "),
        ("é→", "é→"),
        ("If using a <br>Directed order, <BR/>review", "If using a Directed order, review"),
    ],
)
def test_no_text_of_the_broker_moves_a_cursor(sent: str, shown: str) -> None:
    assert convert.plain_text(sent) == shown


def test_a_class_of_shares_stands_behind_a_space_there() -> None:
    assert convert.symbol_there("BRK.B") == "BRK B"
    assert convert.symbol_there("SPY") == convert.symbol_here("SPY") == "SPY"
    stock = ["72063691", "BRK B", "STK", "", "0", "", "", "SMART", "USD", "BRK B", "BRK B"]
    assert convert.contract(stock) == Underlying("BRK.B", 72063691)
    known = {"expiry": "20261204", "strike": "480", "right": "P", "multiplier": "100", "con_id": "7"}
    named, unnamed = (convert.option(symbol="BRK B", trading_class=name, **known) for name in ("BRKB", ""))
    assert named == unnamed == Option("BRK.B", "BRKB", date(2026, 12, 4), Decimal(480), Right.PUT)
