"""What the exchange makes of a fill later is told as it comes, by `why`, and beside what the trade was closed at."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hand_desk import Desk, kept, text_of

from rulebot.chart.chart import _parts
from rulebot.model.event import BrokerStatus, ExecutionReport
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.why import explanation_document, explanation_lines, why_day
from rulebot.store.queries import StoreReader

DAY = date(2026, 11, 18)


def entered() -> tuple[Desk, ExecutionReport]:
    """Return a desk that holds three spreads, and the fill of their short leg: 3 sold at 2.00."""
    desk = Desk((text_of(quantity="3", risk="{max_loss_per_trade: $20000}"),))
    reports = {report.option: report for report in desk.fill(desk.enter("10:00"))}
    return desk, next(report for report in reports.values() if not report.is_buy)


def again(sold: ExecutionReport, **changes: object) -> ExecutionReport:
    return replace(sold, exec_id=sold.exec_id.next, **changes)  # type: ignore[arg-type]


def reported(desk: Desk, folder: Path) -> list[str]:
    with StoreReader(kept(desk, folder)) as reader:
        found = why_day(reader, DAY, reader.day("spread", DAY), reader.trades())
        assert explanation_document("spread", DAY, found)["alarms"] == [
            {"at": at.isoformat(), "text": text} for at, text in found.alarms
        ]
    return explanation_lines("spread", DAY, found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"price": Decimal("1.95")}, "has corrected a fill of {}: 3 short_put sold at 1.95, not 3 at {}"),
        ({"quantity": Decimal(2)}, "has corrected a fill of {}: 2 short_put sold at {}, not 3 at {}"),
        ({"quantity": Decimal(0)}, "busted a fill of {}: 3 short_put sold at {}"),
    ],
)
def test_a_correction_is_reported_and_why_reports_it(changes: dict[str, Decimal], words: str, tmp_path: Path) -> None:
    """Of another price nobody heard: the trade had just been sold for less in the end."""
    desk, sold = entered()
    at = f"{sold.price:f}"
    desk.send(again(sold, **changes))
    text = f"the exchange {words.format(desk.position.id, at, at)}"
    assert desk.alarms[0] == text
    assert [line for line in reported(desk, tmp_path) if text in line] == [f"  10:00:00   alarm: {text}"]


def test_what_is_only_reported_once_more_is_no_correction() -> None:
    desk, sold = entered()
    desk.send(again(sold))
    assert desk.alarms == []


def test_what_lost_its_partner_is_reported_with_its_price_beside_the_rest(tmp_path: Path) -> None:
    """It was said that all was sold at 1.0833, which nobody had paid or brought."""
    desk, sold = entered()
    desk.send(again(sold, quantity=Decimal(2)))
    desk.tick(1)
    unwind = desk.last
    assert ([leg.name for leg in unwind.legs], unwind.quantity) == (["long_put"], 1)
    desk.ack(unwind)
    (dealt,) = desk.executions_of(unwind, 1)
    desk.send(dealt)
    desk.report(unwind, BrokerStatus.FILLED, 1, dealt.price)
    desk.until("15:45", step=60)
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    part = f"1 long_put sold at {dealt.price:.2f}"
    (bot,) = day_outcome(desk.state, None).bots
    assert [each for line in bot.lines for each in line.parts if part in each] == [f"{part} 10:00: unwind"]
    (line,) = (each for each in reported(desk, tmp_path) if part in each)
    assert f", 2 of 3 filled, {part} 10:00: unwind, " in line
    assert " in all at " in line
    with StoreReader(kept(desk, tmp_path / "again")) as reader:
        assert [words for _, words in _parts(reader, reader.trades()[0])] == [f"unwind: {part}"]
