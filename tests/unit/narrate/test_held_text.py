"""How many structures a position is said to hold: what has filled counts, and what of it is still open."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import CONDOR, Desk, kept, put, text_of

from rulebot.cli.status import status
from rulebot.model.order import Order, OrderStatus
from rulebot.narrate.happenings import event_line
from rulebot.narrate.positions import entry_text
from rulebot.narrate.snapshot_of_state import snapshot_of, summary_of

STRIKES = "5935/5945p"
PART = '\n  - target: {profit: 50%}\n    close: 50%\n  - time: "15:45"\n'


def opened(quantity: int, filled: int, **sections: str) -> Desk:
    """Return a desk with an entry of which so many have filled, and the rest was cancelled."""
    desk = Desk((text_of(quantity=str(quantity), risk="{max_loss_per_trade: $9000}", **sections),))
    order = desk.enter()
    desk.fill(order, filled)
    while desk.live:
        desk.tick(10)
        for each in desk.live:
            if each.status is OrderStatus.CANCELLING:
                desk.cancelled(each, filled)
    return desk


def reported(desk: Desk) -> list[str]:
    """Return what terminal, page and report say of the position, and what was told last of it."""
    (line,) = snapshot_of(desk.program, desk.state, desk.now, desk.now, None).positions
    rows = summary_of(desk.program, desk.state, desk.now, desk.now, None).bots
    position = desk.position.id
    news = [event_line(record, desk.state) for record in desk.records if record.position == position]
    return [
        line.structure,
        rows[0].position.partition("  ")[0],
        entry_text(desk.position),
        next(each.text for each in reversed(news) if each),
    ]


def shown(desk: Desk, folder: Path) -> str:
    """Return the row of the position in `rulebot status`."""
    said = CliRunner().invoke(status, ["--store", str(kept(desk, folder))]).output
    return next(line for line in said.splitlines() if STRIKES in line)


def test_an_entry_that_filled_in_part_is_what_has_filled(tmp_path: Path) -> None:
    """It was told as all that had been asked for, and one that was open as two."""
    desk = opened(2, 1)
    sold = f"sold {STRIKES} at 0.70 (mid 0.70)"
    assert reported(desk) == [STRIKES, STRIKES, sold, f"filled (1 of 2): {sold}"]
    assert f" {STRIKES} " in shown(desk, tmp_path)


def filled_exit(desk: Desk) -> Order:
    desk.tick(1)
    order = desk.last
    desk.fill(order)
    desk.tick(1)
    return order


@pytest.mark.parametrize("filled", [4, 2])
def test_a_position_of_which_a_part_is_closed_is_what_is_left_of_it(filled: int, tmp_path: Path) -> None:
    desk = opened(4, filled, exits=PART)
    desk.until("12:00", step=60)
    for option in list(desk.books()):
        desk.quote(option, 0.05, 0.10)
    filled_exit(desk)
    left = f"{filled // 2} of {filled} x {STRIKES}"
    sold = f"sold {filled} x {STRIKES} at 0.70 (mid 0.70)"
    assert reported(desk) == [left, left, sold, f"its part is closed: {filled // 2} of {filled} stay open"]
    assert f" {left} " in shown(desk, tmp_path)


def test_a_position_of_which_a_side_is_closed_is_the_other_one(tmp_path: Path) -> None:
    """Its mark is that of the legs that are left; it stood beside the strikes of all."""
    danger = '\n  - name: danger\n    leg_delta: {beyond: 0.25}\n    close: put_side\n  - time: "15:45"\n'
    desk = Desk((text_of(legs=CONDOR, exits=danger, risk="{max_loss_per_trade: $9000}"),))
    desk.opened()
    whole = f"{STRIKES} 6055/6065c"
    assert reported(desk)[:2] == [whole, whole]
    desk.quote(put(5945), 2.0, 2.1, -0.30)
    filled_exit(desk)
    left = f"6055/6065c of {whole}"
    assert reported(desk)[:2] == [left, left]
    assert f" {left} " in shown(desk, tmp_path)
