"""What is said of parts that exits close: whether they were sold or bought back, by what their own order dealt at."""

from math import nan
from pathlib import Path

import pytest
from hand_desk import CONDOR, Desk, call, kept, put, text_of
from test_part_closing import ENDING, closed_at, reported_by, settle_stops

from rulebot.alerts.find import digest
from rulebot.chart.chart import chart_of_day
from rulebot.model.order import OrderStatus, Purpose
from rulebot.narrate.happenings import event_line
from rulebot.narrate.positions import ending_text
from rulebot.narrate.why import DayFacts, explanation_lines, reported_parts
from rulebot.record.explain import explain_day
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader

LEANING = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  long_call: {buy: call, strike: {delta: 0.10}}
"""
"""A call that is bought, and a put spread that is sold for less."""
WING = """
  expiry: {dte: 0}
  upper: {buy: put, strike: {otm: 20 pts}}
  body:  {sell: put, ratio: 2, strike: {below: upper, by: 10 pts}}
  lower: {buy: put, strike: {below: body, by: 30 pts}}
"""
"""A butterfly that is sold, and that closes for a credit once its upper put is worth more than its body."""
SINGLE = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"

WIDE = "{max_loss_per_trade: $4000000}"
"""A short put may be closed alone: it is bounded by its strike."""


def held(exits: str, legs: str, quantity: int = 1) -> Desk:
    desk = Desk((text_of(exits=ENDING + exits, legs=legs, quantity=str(quantity), risk=WIDE),))
    desk.opened()
    return desk


def test_a_side_that_cost_money_to_close_was_bought_back_of_what_was_bought(tmp_path: Path) -> None:
    desk = held('  - name: puts\n    time: "10:30"\n    close: put_side\n', LEANING)
    assert desk.position.entry_price is not None
    assert desk.position.entry_price < 0
    desk.until("10:30", step=60)
    closed_at(desk, "0.70")
    part = "a part bought back at 0.70 10:30: puts"
    assert reported_by(desk)[1] == part
    desk.until("15:45", step=60)
    closed_at(desk, "1.00")
    assert reported_by(desk)[1] == part
    assert reported_by(desk)[2].startswith("sold in all at "), "the call brought more than the puts cost"
    with StoreReader(kept(desk, tmp_path)) as reader:
        assert f"; {part.replace(' 10:30:', ' by')};" in digest(reader, "2026-11-18", ["spread"])
        trades = [reported_parts(row, reader) for row in reader.view("trades")]
    lines = "\n".join(explanation_lines("spread", desk.day, DayFacts(explain_day(desk.records), trades)))
    assert f", {part}, sold in all at " in lines


def test_what_was_bought_and_costs_money_to_close_was_bought_back_in_all() -> None:
    desk = held('  - name: puts\n    time: "10:30"\n    close: put_side\n', LEANING)
    desk.quote(put(5945), 5.85, 5.95, -0.30)
    desk.until("10:30", step=60)
    closed_at(desk, "5.60")
    desk.until("15:45", step=60)
    closed_at(desk, "1.00")
    assert ending_text(desk.state, desk.position).startswith("bought back in all at ")


@pytest.mark.parametrize(
    ("legs", "leg", "words"),
    [(LEANING, "short_put", "bought back"), (CONDOR, "long_put", "sold")],
    ids=["bought", "sold"],
)
def test_one_leg_is_reported_by_its_own_side(tmp_path: Path, legs: str, leg: str, words: str) -> None:
    desk = held(f'  - name: alone\n    time: "10:30"\n    close: [{leg}]\n', legs)
    desk.until("10:30", step=60)
    closed_at(desk, "0.30")
    part = f"a part {words} at 0.30"
    assert reported_by(desk)[1] == f"{part} 10:30: alone"
    with StoreReader(kept(desk, tmp_path)) as reader:
        assert f"; {part} by alone;" in digest(reader, "2026-11-18", ["spread"])


def test_a_part_that_brought_money_was_sold_of_what_was_sold(tmp_path: Path) -> None:
    desk = held('  - name: half\n    time: "10:30"\n    close: 50%\n', WING, quantity=2)
    desk.quote(put(5980), 13.95, 14.05, -0.30)
    desk.until("10:30", step=60)
    closed_at(desk, "-3.70")
    part = "1 of 2 sold at 3.70"
    assert reported_by(desk)[1] == f"{part} 10:30: half"
    with StoreReader(kept(desk, tmp_path)) as reader:
        assert f"; {part} by half" in digest(reader, "2026-11-18", ["spread"])


def test_a_wing_that_is_sold_after_the_others_is_named(tmp_path: Path) -> None:
    """ "1 of 2 sold at 0.10" stood beside it, as if the other half had gone for that."""
    desk = held('  - name: half\n    time: "10:30"\n    close: 50%\n', WING, quantity=2)
    desk.quote(put(5980), 13.95, 14.05, -0.30)
    desk.quote(put(5940), nan, 0.05, -0.01)
    desk.until("10:30", step=60)
    closed_at(desk, "-3.50")
    desk.quote(put(5940), 0.10, 0.15, -0.01)
    desk.until("10:32", step=60)
    closed_at(desk, "0.10")
    assert reported_by(desk)[2].startswith("1 of 2 lower sold at 0.10 ")
    with StoreReader(kept(desk, tmp_path)) as reader:
        assert "; 1 of 2 lower sold at 0.10 by half" in digest(reader, "2026-11-18", ["spread"])


LATER = '  - name: half\n    time: "10:40"\n    close: 50%\n'


def newest(desk: Desk) -> str:
    """Return what was told last of the position."""
    reported = (event_line(record, desk.state) for record in reversed(desk.records) if record.position)
    return next(each.text for each in reported if each)


def test_a_part_of_what_a_side_has_left_is_counted() -> None:
    """The count was that of whole structures, of which none is left once a side is closed."""
    desk = held('  - name: puts\n    time: "10:30"\n    close: put_side\n' + LATER, CONDOR, quantity=3)
    reported = []
    for at in ("10:30", "10:40", "15:45"):
        desk.until(at, step=60)
        reported.append(newest(desk))
        desk.fill(desk.last)
        reported.append(newest(desk))
    assert reported[:-1] == [
        "puts: closing 3 x 5935/5945p",
        "puts: closing 3 x 5935/5945p",
        "half: closing 2 of 3 x 6055/6065c",
        "its part is closed: 1 of 3 stay open",
        "time: closing 1 of 3 x 6055/6065c",
    ]


def test_a_protective_stop_closes_what_a_part_has_left() -> None:
    """It was told as two, and with the leg that the stop itself had closed."""
    risk = "{max_loss_per_trade: $20000, protect: {cost: 4x credit, of: each_short}}"
    desk = Desk((text_of(exits=ENDING + LATER, legs=CONDOR, quantity="2", risk=risk),))
    desk.opened()
    settle_stops(desk)
    desk.until("10:40", step=60)
    assert newest(desk) == "half: closing 1 of 2 x 5935/5945p 6055/6065c"
    for _ in range(5):
        settle_stops(desk)
    desk.fill(desk.last)
    for _ in range(3):
        settle_stops(desk)
    (guard,) = (each for each in desk.live if each.legs[0].option == call(6055))
    desk.fill(guard, price="6.00")
    last = event_line(desk.said(Kind.DECISION, "exit")[-1], desk.state)
    assert last is not None
    assert last.text == "protect: closing 1 of 2 x 5935/5945p 6065c"


def told_of_the_day(desk: Desk, folder: Path) -> str:
    folder.mkdir()
    with StoreReader(kept(desk, folder)) as reader:
        trades = [reported_parts(row, reader) for row in reader.view("trades")]
    return "\n".join(explanation_lines("spread", desk.day, DayFacts(explain_day(desk.records), trades)))


@pytest.mark.parametrize("legs", [CONDOR, SINGLE], ids=["a condor", "one leg"])
def test_an_entry_that_filled_in_part_says_how_many_were_asked_for(tmp_path: Path, legs: str) -> None:
    """It was told as if no more had been asked for, and as open while the rest still worked."""
    desk = Desk((text_of(legs=legs, quantity="3", risk="{max_loss_per_trade: $2000000, undefined_risk: allow}"),))
    desk.fill(desk.enter(), 1)
    assert ", 1 of 3 filled; the rest is not filled yet" in told_of_the_day(desk, tmp_path / "0")
    while desk.live:
        desk.tick(1)
        for order in desk.live:
            if order.status is OrderStatus.CANCELLING:
                desk.cancelled(order, order.filled)
    assert " 10:00, 1 of 3 filled; open" in told_of_the_day(desk, tmp_path / "1")
    desk.until("15:45")
    desk.fill(desk.live[0])
    assert " 10:00, 1 of 3 filled, bought back at " in told_of_the_day(desk, tmp_path / "2")


def test_a_leg_that_never_got_its_partner_is_reported_with_what_came_of_it(tmp_path: Path) -> None:
    """It was `not filled yet`, also once it was sold at a loss; a long leg was `bought back`."""
    order = "{leg_by_leg: [long_put, short_put], start: mid, step: 0.05, wait: 10s, tries: 3, then: unwind}"
    desk = Desk((text_of(order=order),))
    desk.until("10:00")
    desk.settle(1)
    assert "5935/5945p: not filled yet" in told_of_the_day(desk, tmp_path / "0")
    desk.fill(desk.live[0])
    desk.tick(1)
    part = "part of 5935/5945p 10:00: 1 long_put bought at 1.60"
    assert f"{part}; the rest is not filled yet" in told_of_the_day(desk, tmp_path / "1")
    while desk.live[0].purpose is not Purpose.UNWIND:
        desk.tick(1)
        for order_at_work in desk.live:
            if order_at_work.status is OrderStatus.CANCELLING:
                desk.cancelled(order_at_work)
            elif order_at_work.status is OrderStatus.SENDING:
                desk.ack(order_at_work)
    assert f"{part}; exiting" in told_of_the_day(desk, tmp_path / "2")
    desk.fill(desk.live[0], price="1.50")
    assert f"{part}, sold at 1.50 10:00: unwind   -$10.00 after" in told_of_the_day(desk, tmp_path / "3")
    assert reported_by(desk)[:2] == ["part of 5935/5945p 10:00", "closed 10:00: unwind"]
    (tmp_path / "4").mkdir()
    with StoreReader(kept(desk, tmp_path / "4")) as reader:
        marks = [mark.words for mark in chart_of_day(reader, "spread", desk.day).marks if mark.trade]
    assert marks == ["part of 5935/5945p", "unwind, -$10.00"]
