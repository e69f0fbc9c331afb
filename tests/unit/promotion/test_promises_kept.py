"""What exits kept of what they promised, by hand."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from paper_days import BOT, FIRST, at, entity, position, session

from rulebot.alerts.find import digest
from rulebot.model.position import ExitTerms, Position
from rulebot.narrate.trades import TargetResult, kept_by_exit, kept_lines, kept_text, read_profit_kept
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

HALF = Decimal("0.5")


def left(name: str, made: str, terms: ExitTerms | None, **changes: object) -> Position:
    """Return a put sold for $100 that made so many dollars after $2 of commissions."""
    return replace(position(FIRST, made), id=name, terms=terms, **changes)  # type: ignore[arg-type]


def target(share: Decimal | None = HALF, dollars: str = "50") -> ExitTerms:
    """Return the terms of a target of a half: it closes at -0.50 a share."""
    return ExitTerms("target", Decimal("-0.50"), 1, Decimal(0), share=share, dollars=Decimal(dollars))


def test_each_exit_says_what_it_promised_and_kept() -> None:
    found = kept_by_exit(
        [
            left("a", "48", target()),  # bought back at 0.50: all of it
            left("b", "52", target()),  # at 0.46, $4 better
            left("c", "-202", ExitTerms("stop", Decimal("-2.80"), 1, Decimal(0)), exit_reason="stop"),
            left("d", "10", ExitTerms("time", None, 1, Decimal(0)), exit_reason="time"),
            left("e", "10", None),  # of an older store
            left("f", "10", target(), exit_reason="flattened"),  # a person closed it
        ],
        {"d": 0.03},
    )
    assert kept_lines(found, is_named=False) == [
        "stop: made -200 % of the entry price, slippage -$20.00 a contract, n 1",
        "target 50 %: kept 52 %, at least 50 %, slippage +$2.00 a contract, n 2",
        "time: made 12 % of the entry price, slippage -$3.00 a contract, n 1",
    ]
    assert kept_lines(found[:1], is_named=True) == [f"{BOT} {kept_text(found[0])}"]


def test_a_target_that_kept_less_than_it_promised_is_reported() -> None:
    (found,) = kept_by_exit([left("a", "48", target()), left("b", "18", target())], {})
    assert (found.missed, found.kept_share, found.promised, found.kept) == (1, Decimal("0.35"), 50, 35)
    assert (
        kept_text(found)
        == "target 50 %: kept 35 %, at least 20 %, 1 kept less than promised, slippage -$15.00 a contract, n 2"
    )


def test_a_target_in_dollars_says_dollars() -> None:
    (found,) = kept_by_exit([left("a", "58", target(share=None))], {})
    assert kept_text(found) == "target +$50.00: kept +$60.00 on average, slippage +$10.00 a contract, n 1"


def test_a_target_that_an_edit_changed_is_distinguished() -> None:
    found = kept_by_exit([left("a", "48", target()), left("b", "73", target(Decimal("0.75"), "75"))], {})
    assert [(each.promised_share, each.trades) for each in found] == [(HALF, 1), (Decimal("0.75"), 1)]


def test_a_store_says_so(tmp_path: Path) -> None:
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    closed = entity(at(FIRST, "12:00"), left("P1", "48", target()))
    journal.append(session(FIRST, None, closed), durable=True)
    journal.close()
    with StoreReader(tmp_path / "a.db") as reader:
        (found,) = read_profit_kept(reader, BOT)
        assert not read_profit_kept(reader, "another")
        assert read_profit_kept(reader, day=f"{FIRST}") == [found]
        assert not read_profit_kept(reader, day="2026-10-20")
        reported = digest(reader, f"{FIRST}").splitlines()
    assert reported[-1] == f"{BOT} target 50 %: kept 50 %, slippage +$0.00 a contract, n 1"
    assert kept_text(found) == "target 50 %: kept 50 %, slippage +$0.00 a contract, n 1"
    assert TargetResult(**found.as_document()).kept_share == 0.5
    assert TargetResult.from_document(found.as_document()) == found
