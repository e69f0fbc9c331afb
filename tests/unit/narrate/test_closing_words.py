"""At what price a position closes, where closing what was sold brings still more, or what was bought costs again."""

from hand_desk import Desk, put, text_of

from rulebot.narrate.positions import ending_text, exits_text
from rulebot.narrate.snapshot_of_state import position_snapshot
from rulebot.narrate.trades import closing, closing_text
from rulebot.web.pages import TEMPLATES

WING = """
  upper: {buy: put, strike: {otm: 20 pts}}
  body:  {sell: put, ratio: 2, strike: {below: upper, by: 10 pts}}
  lower: {buy: put, strike: {below: body, by: 30 pts}}
  expiry: {dte: 0}
"""
EXITS = """
  - time: "15:45"
    order: market
  - target: {profit: $300}
  - stop: {loss: $300}
"""


def held() -> Desk:
    """Return a desk that holds a broken-wing butterfly, sold for 1.20."""
    desk = Desk((text_of(legs=WING, exits=EXITS, risk="{max_loss_per_trade: $3000}"),))
    desk.opened()
    return desk


def test_a_target_beyond_the_credit_is_reported_as_a_credit_and_what_closing_costs_now_is_not() -> None:
    desk = held()
    text = exits_text(desk.program, desk.state, desk.position, desk.now.timestamp())
    assert text == "target a credit of 1.85 (now 1.20); stop 4.20; time 15:45"


def test_what_was_sold_and_brought_still_more_when_it_closed_was_sold() -> None:
    desk = held()
    desk.quote(put(5980), 13.95, 14.05, -0.30)
    desk.tick(1)
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    assert ending_text(desk.state, desk.position) == "sold at 3.70"


def test_pages_and_top_show_a_minus_only_where_closing_goes_the_other_way() -> None:
    desk = held()
    desk.quote(put(5980), 13.95, 14.05, -0.30)
    line = position_snapshot(desk.program, desk.state, desk.position, desk.now)
    assert (line.entry, line.mark) == (1.2, -3.7)
    shown = TEMPLATES.from_string("{{ cost|closing(entry) }}")
    assert [shown.render(cost=cost, entry=entry) for cost, entry in ((0.1, 1.2), (-3.7, 1.2), (-2.54, -3.15))] == [
        "0.10",
        "-3.70",
        "2.54",
    ]


def test_a_price_beside_its_entry() -> None:
    assert [closing(2.0, 1.0), closing(-2.0, 1.0), closing(-2.0, -1.0), closing(2.0, -1.0)] == [2.0, -2.0, 2.0, -2.0]
    assert [closing_text(0.4, 1.0), closing_text(-1.85, 0.3), closing_text(-1.85, -3.0), closing_text(0.1, -3.0)] == [
        "0.40",
        "a credit of 1.85",
        "1.85",
        "a debit of 0.10",
    ]
