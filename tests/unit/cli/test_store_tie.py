"""`rulebot store tie`: what it prints of the small hand-made day, and files that mean harm."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rulebot.cli.main import main
from rulebot.record.books import BookedFill
from rulebot.store.finance import occ_symbol
from rulebot.store.queries import Run, StoreReader


def line(fill: BookedFill) -> str:
    return (
        f'<Trade assetCategory="OPT" conid="{fill.of.option.con_id}" symbol="{occ_symbol(fill.of.option)}"'
        f' tradeID="{fill.exec_id}" tradeDate="{fill.date:%Y%m%d}" transactionType="ExchTrade" quantity="{fill.signed}"'
        f' tradePrice="{fill.price}" proceeds="{fill.proceeds}" ibCommission="-{fill.commission}"'
        f' ibOrderID="1" ibExecID="{fill.exec_id}" orderReference="{fill.ref}" levelOfDetail="EXECUTION" />\n'
    )


@pytest.fixture
def statement(day_store: Path) -> Path:
    """Return a statement of the day that says what the store says."""
    with StoreReader(day_store) as reader:
        books, _ = reader.deals()
    path = day_store.with_name("flex.xml")
    path.write_text(
        '<FlexQueryResponse type="AF">\n<FlexStatements>\n'
        '<FlexStatement accountId="DU0000007" fromDate="20261118" toDate="20261118">\n<Trades>\n'
        f"{''.join(line(fill) for fill in books.fills)}</Trades>\n<OptionEAE></OptionEAE>\n</FlexStatement>\n"
        "</FlexStatements>\n</FlexQueryResponse>\n"
    )
    return path


def tie(statement: Path, *arguments: str) -> Result:
    store = statement.with_name("day.db")
    return CliRunner().invoke(main, ["store", "tie", str(statement), "--store", str(store), *arguments])


def test_what_was_only_observed_is_held_against_no_statement(statement: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "mark", "observed")
    found = tie(statement)
    assert (found.exit_code, "was only observed: no statement has any of it" in found.stderr) == (2, True)


def test_a_statement_that_ties_is_printed_with_its_sums(statement: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(statement.parent)
    found = tie(statement)
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines() == [
        " statement of DU0000007, 2026-11-18 to 2026-11-18: 8 executions and 0 endings of ours",
        "",
        "               ours  statement",
        " contracts        8          8",
        " proceeds     45.00      45.00",
        " commissions   8.20       8.20",
        " net          36.80      36.80",
        "",
        " ties to the cent",
        "",
        " store day.db",
    ]


def test_it_does_not(statement: Path) -> None:
    text = statement.read_text()
    strange = text[text.index("<Trade ") : text.index("/>") + 2].replace("rb-1", "me&#x9b;31m&#10;x")
    statement.write_text(text.replace('"0.85"', '"0.86"').replace("<Trades>\n", f"<Trades>\n{strange}\n"))
    found = tie(statement)
    assert found.exit_code == 1
    lines = found.stdout.splitlines()
    assert (
        " DIFFERS  dte0_condor  rb-1-short_call  SPXW  261118C06065000  price: ours 0.85, the statement's 0.86" in lines
    )
    wanted = " not ours: SPXW  261118C06075000 bought 1 at 0.30 on 2026-11-18, order reference 'me\ufffd31m\ufffdx'"
    assert wanted in lines
    assert " 1 difference" in lines


def test_a_trade_of_an_order_that_the_store_has_lost_is_not_a_person_else_s(statement: Path) -> None:
    """As of a backup that was put in place: what was traded after it was made is in no record."""
    text = statement.read_text()
    lost = text[text.index("<Trade ") : text.index("/>") + 2].replace("rb-1", "rb:t:000044")
    statement.write_text(text.replace("<Trades>\n", f"<Trades>\n{lost}\n"))
    found = tie(statement)
    assert found.exit_code == 1
    wanted = "SPXW  261118C06075000  execution: bought 1 at 0.30 on 2026-11-18, order rb:t:000044"
    assert [line.split("  ", 2)[2] for line in found.stdout.splitlines() if "NOT IN THE STORE" in line] == [wanted]
    assert "to mend it" not in found.stdout, "nothing can be put right of an order that the store has not"
    statement.write_text(text.replace("<Trades>\n", f"<Trades>\n{lost.replace('rb:t:', 'rb:a1b2c3:')}\n"))
    assert tie(statement).exit_code == 0, "another rulebot with a store of its own"


def test_differences_are_printed_as_json(statement: Path) -> None:
    statement.write_text(statement.read_text().replace('"0.85"', '"0.86"'))
    found = tie(statement, "--format", "json")
    document = json.loads(found.stdout)
    assert (found.exit_code, document["ties"], document["account"]) == (1, False, "DU0000007")
    assert document["periods"] == [["2026-11-18", "2026-11-18"]]
    assert document["sums"]["net"] == {"ours": "36.80", "statement": "36.80"}
    assert document["differences"] == [
        {
            "what": "differs",
            "name": "price",
            "exec_id": "rb-1-short_call",
            "bot": "dte0_condor",
            "contract": "SPXW  261118C06065000",
            "ours": "0.85",
            "statement": "0.86",
            "mend": "",
        }
    ]


def test_a_file_that_is_none_is_one_sentence(statement: Path) -> None:
    statement.write_text("<html>")
    found = tie(statement)
    assert (found.exit_code, found.stderr.count("\n") <= 2) == (2, True)
    assert "this is no Flex statement" in found.stderr
    statement.write_text('<FlexQueryResponse type="&#x9b;31m"/>')
    assert "its type is \ufffd31m, AF is read" in tie(statement).stderr
    assert CliRunner().invoke(main, ["store", "tie", "nowhere.xml"]).exit_code == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 6)), min_size=1, max_size=4))
def test_a_spoiled_file_never_is_a_traceback(statement: Path, spoils: list[tuple[float, bytes, int]]) -> None:
    text = statement.read_bytes()
    for part, put, drop in spoils:
        place = int(part * len(text))
        text = text[:place] + put + text[place + drop :]
    spoiled = statement.with_name("spoiled.xml")
    spoiled.write_bytes(text)
    assert tie(spoiled).exit_code in (0, 1, 2)
