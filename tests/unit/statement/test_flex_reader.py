"""A Flex file as the broker writes it, and files that are none or mean harm."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rulebot.model.errors import MisuseError, RulebotError
from rulebot.statement import flex as xml
from rulebot.statement.flex import Statement, StatementExecution, read_flex

TRADE = {
    "accountId": "U1",
    "assetCategory": "OPT",
    "symbol": "CZR   260821C00030000",
    "conid": "893396239",
    "tradeID": "1786699376",
    "tradeDate": "20260717",
    "dateTime": "20260717;120440",
    "transactionType": "ExchTrade",
    "quantity": "2",
    "tradePrice": "0.73",
    "proceeds": "-146",
    "ibCommission": "-1.3666",
    "netCash": "-147.3666",
    "buySell": "BUY",
    "ibOrderID": "726326436",
    "ibExecID": "0001938c.6a59af42.01.01",
    "orderReference": "rb:t:000001",
    "levelOfDetail": "EXECUTION",
}
EVENT = {
    "assetCategory": "OPT",
    "symbol": "CLF   260724C00011500",
    "conid": "889375205",
    "date": "20260724",
    "transactionType": "Exercise",
    "quantity": "-4",
    "tradePrice": "0",
    "proceeds": "0",
}


def element(name: str, attributes: dict[str, str]) -> str:
    return f"<{name} " + " ".join(f'{key}="{value}"' for key, value in attributes.items()) + "/>"


def trade(**changes: str | None) -> str:
    return element("Trade", {key: value for key, value in (TRADE | changes).items() if value is not None})


def flex(*trades: str, events: str = "<OptionEAE></OptionEAE>", more: str = "", kind: str = ' type="AF"') -> str:
    return (
        f'<FlexQueryResponse queryName="a"{kind}><FlexStatements count="1">'
        '<FlexStatement accountId="U1" fromDate="20260717" toDate="20260724" whenGenerated="20260725;010001">'
        f"<Trades>{''.join(trades)}</Trades>{events}{more}</FlexStatement></FlexStatements></FlexQueryResponse>"
    )


def read(folder: Path, text: str | bytes, *accounts: str) -> Statement:
    path = folder / "a.xml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_flex(path, accounts or ("U1",))


def refused(folder: Path, text: str | bytes, *accounts: str) -> str:
    with pytest.raises(MisuseError) as raised:
        read(folder, text, *accounts)
    return raised.value.message.removeprefix(str(folder / "a.xml")).lstrip(": ")


def only(folder: Path, *trades: str, more: str = "") -> StatementExecution:
    (reported,) = read(folder, flex(*trades, more=more)).trades
    return reported


def test_an_execution_and_an_exercise(tmp_path: Path) -> None:
    found = read(tmp_path, flex(trade(), events=f"<OptionEAE>{element('OptionEAE', EVENT)}</OptionEAE>"))
    reported = found.trades[0]
    assert (reported.exec_id, reported.order_id, reported.ref, reported.day) == (
        "0001938c.6a59af42.01.01",
        726326436,
        "rb:t:000001",
        date(2026, 7, 17),
    )
    assert (reported.signed, reported.price, reported.proceeds, reported.commission, reported.net_cash) == tuple(
        map(Decimal, ("2", "0.73", "-146", "1.3666", "-147.3666"))
    )
    (event,) = found.events
    assert (event.kind, event.signed, event.day, event.contract.con_id) == (
        "Exercise",
        -4,
        date(2026, 7, 24),
        889375205,
    )
    assert found.periods == ((date(2026, 7, 17), date(2026, 7, 24)),)
    assert found.covers(date(2026, 7, 20))
    assert not found.covers(date(2026, 7, 25))


def test_lines_that_are_no_executions_are_left_out(tmp_path: Path) -> None:
    booked = trade(transactionType="BookTrade", ibExecID="", notes="Ep")
    found = read(
        tmp_path, flex(booked, trade(levelOfDetail="CLOSED_LOT"), element("Order", TRADE), element("Lot", TRADE))
    )
    assert (found.trades, found.events, found.has_events) == ((), (), True)


def test_a_corrected_trade_stands_once_with_all_its_commissions(tmp_path: Path) -> None:
    cancel = trade(
        transactionType="TradeCancel", quantity="-2", proceeds="146", ibCommission="0", ibExecID="", tradeID="",
        origTradeID="1786699376", buySell="BUY (Ca.)",
    )  # fmt: skip
    restarted = trade(quantity="1", proceeds="-73", ibCommission="0.3333", ibExecID="0001938c.6a59af42.01.02")
    reported = only(tmp_path, trade(), cancel, restarted)
    assert (reported.exec_id, reported.signed, reported.proceeds) == ("0001938c.6a59af42.01.02", 1, -73)
    assert (reported.commission, reported.net_cash, reported.times) == (Decimal("1.0333"), None, 1)
    gone = only(tmp_path, trade(), cancel)
    assert (gone.signed, gone.proceeds, gone.commission) == (0, 0, Decimal("1.3666"))
    assert [each.signed for each in read(tmp_path, flex(cancel)).orphans] == [-2]


def test_the_same_line_twice_is_counted(tmp_path: Path) -> None:
    reported = only(tmp_path, trade(), trade())
    assert (reported.times, reported.signed, reported.commission) == (2, 2, Decimal("1.3666"))


def test_executions_without_an_id_stay_apart(tmp_path: Path) -> None:
    assert len(read(tmp_path, flex(trade(ibExecID="", tradeID=""), trade(ibExecID="", tradeID=""))).trades) == 2


def test_commissions_may_stand_in_a_section_of_their_own(tmp_path: Path) -> None:
    parts = [
        element("UnbundledCommissionDetail", {"tradeID": "1786699376", "totalCommission": each})
        for each in ("-1", "-0.3666")
    ]
    details = f"<UnbundledCommissionDetails>{''.join(parts)}</UnbundledCommissionDetails>"
    assert only(tmp_path, trade(ibCommission=None), more=details).commission == Decimal("1.3666")
    assert refused(tmp_path, flex(trade(ibCommission=None))) == "0001938c.6a59af42.01.01 has no IB Commission"


def test_older_files_have_commas_and_dashes(tmp_path: Path) -> None:
    reported = only(tmp_path, trade(tradeDate="2026-07-17", proceeds="-1,460.50", netCash=None))
    assert (reported.day, reported.proceeds, reported.net_cash) == (date(2026, 7, 17), Decimal("-1460.50"), None)


def test_days_of_one_account_in_parts(tmp_path: Path) -> None:
    first = flex(trade())
    second = first.replace('fromDate="20260717" toDate="20260724"', 'fromDate="20260725" toDate="20260731"')
    part = second[second.index("<FlexStatement ") : second.index("</FlexStatements>")].replace(".01.01", ".02.01")
    both = first.replace(
        "</FlexStatements>", part + part.replace('accountId="U1"', 'accountId="U2"') + "</FlexStatements>"
    )
    found = read(tmp_path, both)
    assert [first for first, _ in found.periods] == [date(2026, 7, 17), date(2026, 7, 25)]
    assert (len(found.trades), found.others) == (2, ("U2",))
    with pytest.raises(MisuseError, match="has U1 and U2, both of this store"):
        read(tmp_path, both, "U1", "U2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1: this is no XML: no element found"),
        ("<FlexQueryResponse>", "1: this is no XML: no element found"),
        ("not at all", "1: this is no XML: syntax error"),
        ("<html></html>", "1: this is no Flex statement: it begins with <html>"),
        (flex(trade(), kind=' type="TCF"'), "1: this is no Activity Flex Query: its type is TCF, AF is read"),
        ("<FlexQueryResponse></FlexQueryResponse>", "has no statement in it"),
        (flex(trade(proceeds=None, conid=None)), "1: Trades: it has no Conid, Proceeds"),
        (flex(trade(quantity="NaN")), "1: quantity is a number, is 'NaN'"),
        (flex(trade(tradePrice="1e")), "1: tradePrice is a number, is '1e'"),
        (flex(trade(proceeds="9" * 41)), f"1: proceeds is a number, is '{'9' * 40}'"),
        (flex(trade(tradePrice="4,72")), "1: tradePrice is a number, is '4,72'"),
        (
            flex().replace('toDate="20260724"', 'toDate="20260716"'),
            "1: the statement ends on 2026-07-16, before it begins on 2026-07-17",
        ),
        (flex(trade(tradeDate="17/07/2026")), "1: tradeDate is a date as 20261118, is '17/07/2026'"),
        (flex(trade(tradeDate="20261341")), "1: tradeDate is a date as 20261118, is '20261341'"),
        (flex(trade(transactionType="TradeCancel")), "1: a cancelled trade does not say which"),
        (flex().replace("<Trades></Trades>", ""), "has no section Trades"),
        (flex().replace(' toDate="20260724"', ""), "1: head: it has no toDate"),
        (b'<?xml version="1.0" encoding="martian"?><a/>', "its encoding cannot be read"),
        ("<a>" * 40, "1: this is no Flex statement: it begins with <a>"),
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused_in_one_sentence(text: str | bytes, says: str, tmp_path: Path) -> None:
    assert refused(tmp_path, text) == says


def test_another_account_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, flex(trade()), "DU7", "U9") == "has the account U1; the store has DU7, U9"


LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>'


@pytest.mark.parametrize(
    "head",
    [LAUGHS, '<!DOCTYPE a SYSTEM "file:///etc/passwd">', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hosts">]>'],
)
def test_no_document_type_and_no_entity(head: str, tmp_path: Path) -> None:
    assert refused(tmp_path, head + flex(trade())) == "1: it declares a document type, which a statement has not"


def test_deep_and_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path, flex(more="<a>" * 40)) == "1: elements are nested deeper than 32"
    monkeypatch.setattr(xml, "MOST_BYTES", 1024 * 1024)
    assert refused(tmp_path, flex() + " " * 1024 * 1024).startswith("is larger than 1 MB")


def test_a_file_that_cannot_be_read_is_the_worlds_fault(tmp_path: Path) -> None:
    with pytest.raises(RulebotError, match="cannot be read") as raised:
        read_flex(tmp_path, ("U1",))
    assert raised.value.exit_code == 3
