"""Raw order messages of several server versions to events."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rulebot.adapters.ib import order_reports
from rulebot.adapters.ib.message_codes import broker_message
from rulebot.model.contract import Underlying, share
from rulebot.model.event import BrokerStatus, CommissionReport, MarginReport, OrderMessage, OrderReport
from rulebot.model.order import ExecutionId, Side

AT = datetime(2025, 11, 24, 15, 0, tzinfo=UTC)
ACCOUNT = "DU1234567"
UNSET = "1.7976931348623157E308"

# a recorded openOrder of server version 173, 136 fields
RECORDED = (
    "5|5|265598|AAPL|STK||0|?||SMART|USD|AAPL|NMS|BUY|100|MKT|0.0|0.0|DAY||DU1234567||0|our ref|100|600745656|0|0|0||"
    "600745656.0/DU1234567/100||||||||||0||-1|0||||||2147483647|0|0|0||3|0|0||0|0||0|None||0||||?|0|0||0|0||||||0|0|0"
    "|2147483647|2147483647|||0||IB|0|0||0|0|PreSubmitted|M|M|M|M|M|M|M|M|M||||||0|0|0|None|M|M|M|M|M|M|0||||0|1|0|0|"
    "0|||0||100|0.02|||"
)


def raw(text: str) -> list[str]:
    return text.split("|")


def recorded(version: int = 173) -> list[str]:
    fields = [UNSET if field == "M" else field for field in raw(RECORDED)[:-1]]
    assert len(fields) == 136
    if version >= 177:
        del fields[34]
    return fields[: 136 - (0 if version >= 173 else 5)]


@pytest.mark.parametrize("version", [157, 164, 173, 176, 177, 178])
def test_an_open_order_is_read_in_each_version(version: int) -> None:
    report = order_reports.open_order(recorded(version), AT, version, ACCOUNT)
    assert report == OrderReport(
        at=AT,
        ref="our ref",
        order_id=5,
        perm_id=600745656,
        client_id=100,
        status=BrokerStatus.WORKING,
        quantity=Decimal(100),
        side=Side.BUY,
        kind="market",
        time_in_force="day",
        con_id=265598,
    )


def test_open_order_with_legs_routing_scale_hedge_and_algo() -> None:
    fields = recorded(173)
    combo = fields.index("2147483647", 60) - 3
    assert fields[combo : combo + 5] == ["0", "0", "0", "2147483647", "2147483647"]
    leg = ["11", "1", "SELL", "SMART", "0", "0", "", "-1"]
    filled = ["2", *leg, *leg, "2", "1.5", "", "1", "NonGuaranteed", "1", "5", "5", "0.1", *"1234567", "P", "0.5"]
    filled += ["0", "", "IB", "0", "1", "9", "0.5", "10", "Adaptive", "1", "adaptivePriority", "Normal"]
    fields[combo : combo + 13] = filled
    fields[4], fields[15], fields[16] = "BAG", "LMT", "-1.20"
    report = order_reports.open_order(fields, AT, 173, ACCOUNT)
    assert report is not None
    assert (report.status, report.limit_price, report.stop_price) == (
        BrokerStatus.WORKING,
        Decimal("-1.20"),
        None,
    )


def test_a_stop_order_has_a_stop_price_and_no_limit() -> None:
    fields = recorded()
    fields[15], fields[17] = "STP", "3.15"
    report = order_reports.open_order(fields, AT, 173, ACCOUNT)
    assert report is not None
    assert (report.limit_price, report.stop_price) == (None, Decimal("3.15"))


def test_other_accounts_and_a_what_if_without_its_margins_say_nothing() -> None:
    assert order_reports.open_order(recorded(), AT, 173, "DU9") is None
    fields = recorded()
    status = fields.index("PreSubmitted")
    fields[status - 1] = "1"
    assert order_reports.open_order(fields, AT, 173, ACCOUNT) is None


def test_a_what_if_reports_margins() -> None:
    fields = recorded()
    status = fields.index("PreSubmitted")
    fields[status - 1] = "1"
    fields[status + 1 : status + 10] = [
        "1000.0",
        "900.0",
        "99000.0",
        "250.5",
        "200.0",
        "-1.0",
        "1250.5",
        "1100.0",
        "98999.0",
    ]
    found = order_reports.open_order(fields, AT, 173, ACCOUNT)
    assert found == MarginReport(AT, 5, Decimal("1250.5"), Decimal("250.5"))


def test_an_order_status_is_read_and_an_unknown_word_is_none() -> None:
    fields = raw("3|5|Submitted|1|99.0|2.55|600745656|0|2.55|100||0")
    assert order_reports.order_status(fields, AT) == OrderReport(
        at=AT,
        ref="",
        order_id=5,
        perm_id=600745656,
        client_id=100,
        status=BrokerStatus.WORKING,
        filled=Decimal(1),
        remaining=Decimal(99),
        average_price=Decimal("2.55"),
    )
    fields[2] = "Unheard"
    assert order_reports.order_status(fields, AT).status is None


def test_execution_of_a_stock_and_an_unset_order_id() -> None:
    text = (
        "11|-1|2147483647|265598|AAPL|STK||0.0|||IEX|USD|AAPL|NMS|0000e0d5.67fe667b.01.01|20250415  19:38:31|DU1234567|"
        "IEX|SLD|100|201.94|600745656|0|1|100|201.94|||||2|"
    )
    found = order_reports.execution(raw(text), AT, ACCOUNT)
    assert found is not None
    assert (found.order_id, found.client_id, found.option, found.is_buy, found.symbol) == (
        0, 0, share("AAPL"), False, "AAPL",
    )  # fmt: skip
    assert found.option is not None
    assert found.option.con_id == 265598
    assert (found.quantity, found.price, found.is_combo) == (Decimal(100), Decimal("201.94"), False)
    assert order_reports.execution(raw(text), AT, "DU9") is None
    with pytest.raises(ValueError, match="side is"):
        order_reports.execution(raw(text.replace("SLD", "?")), AT, ACCOUNT)


def test_a_commission_is_read_and_an_unset_one_is_none() -> None:
    fields = raw(f"59|1|00025b46.63f8f39c.01.01|1.0|USD|{UNSET}|{UNSET}|")
    assert order_reports.commission(fields, AT) == CommissionReport(
        AT, ExecutionId("00025b46.63f8f39c.01"), Decimal("1.0")
    )
    fields[3] = UNSET
    assert order_reports.commission(fields, AT) is None


def test_a_position_is_read_only_of_our_account_and_contracts_we_know() -> None:
    fields = raw("61|3|DU1234567|756733|SPY|STK||0|||ARCA|USD|SPY|SPY|-100|431.5")
    found = order_reports.position(fields, AT, ACCOUNT)
    assert found is not None
    assert (found.contract, found.quantity, found.average_cost) == (
        Underlying("SPY"),
        Decimal(-100),
        Decimal("431.5"),
    )
    assert order_reports.position(fields, AT, "DU9") is None
    fields[5] = "FUT"
    assert order_reports.position(fields, AT, ACCOUNT) is None


def test_what_cannot_be_known_of_a_person_s_contract_keeps_nobody_out() -> None:
    """It is told with every connection: none was made any more, and what was open had nobody to watch it."""
    fields = raw("61|3|DU1234567|7|XYZ|OPT|0|0|?||SMART|USD|XYZ|XYZ|-1|43.5")
    assert order_reports.position(fields, AT, ACCOUNT) is None
    dealt = raw(
        "11|-1|41|7|XYZ|OPT|0|0|?||SMART|USD|XYZ|XYZ|0000e0d5.67fe667b.01.01|20250415  19:38:31|DU1234567|"
        "IEX|SLD|1|0.4|600745656|0|1|1|0.4|||||2|"
    )
    found = order_reports.execution(dealt, AT, ACCOUNT)
    assert found is not None
    assert (found.option, found.is_combo, found.symbol) == (None, False, "XYZ")
    dealt[26] = "rb:abc123:000002"
    assert order_reports.execution(dealt, AT, ACCOUNT) is None, "it was told as dealt by somebody else"


def test_an_order_message_has_its_code_and_text() -> None:
    fields = ["4", "2", "5", "201", "Order rejected - reason:", ""]
    message = broker_message(201, "Order rejected - reason:")
    assert order_reports.order_message(fields, AT) == OrderMessage(AT, 5, message)
