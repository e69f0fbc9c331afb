"""At what expired options settle: the close of their last day, or the opening prints of the day after it."""

from datetime import date, timedelta
from decimal import Decimal
from math import nan

import pytest
from hand_desk import Desk, clock, put, text_of

from rulebot.checks.journal.books import journal_index, positions_follow_fills
from rulebot.checks.journal.orders import never_more_than_held
from rulebot.model.contract import Option, Underlying, share
from rulebot.model.event import ListingReport, PositionReport
from rulebot.model.order import Purpose
from rulebot.model.session import session_after, session_from
from rulebot.model.values import replace
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.happenings import event_line
from rulebot.record.record import Kind


def of_the_morning() -> Desk:
    """A put spread 5945/5935 of the class SPX on its last day; in the night the index goes from 5930 to 6000."""
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    position = desk.opened()
    options = (replace(leg.option, trading_class="SPX") for leg in position.legs)
    legs = tuple(replace(leg, option=option) for leg, option in zip(position.legs, options, strict=True))
    desk.state = desk.state._replace(
        positions=replace(desk.state.positions, by_id={position.id: replace(position, legs=legs)}),
        account=replace(desk.state.account, holdings={}),
    )
    for leg in legs:
        desk.holds(leg.option, leg.signed_held)
    desk.until("15:59")
    row = desk.board.rows[Underlying("SPX")]
    desk.board.open[row], desk.board.last[row] = 5960.0, 5930.0
    return desk


def until_morning(desk: Desk, minutes: int) -> None:
    desk.now = session_after(desk.day).open + timedelta(minutes=minutes)
    row = desk.board.rows[Underlying("SPX")]
    desk.board.previous_close[row], desk.board.last[row] = 5930.0, 6000.0
    if minutes > 0:
        desk.board.open[row] = 6000.0
    desk.tick(0)


def settled(desk: Desk) -> list[tuple[object, object]]:
    return [(record.data["how"], record.data["level"]) for record in desk.said(Kind.SETTLEMENT)]


def test_what_settles_at_opening_prints_takes_the_open_of_the_day_after_its_last() -> None:
    """It took the close of its last day, 15 points in the money: in cash, where the broker paid nothing."""
    desk = of_the_morning()
    until_morning(desk, 0)  # the open on the board is still that of the day before
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    assert not settled(desk)
    until_morning(desk, 29)
    assert not settled(desk)
    until_morning(desk, 30)
    assert settled(desk) == [("worthless", "6000.0000")] * 2
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "expired_worthless")
    assert sum((leg.exit_cash for leg in desk.position.legs), Decimal(0)) == 0
    assert not [text for text in desk.alarms if "settlement level" in text]


def of_shares(exits: str = "") -> tuple[Desk, Option]:
    """A put on SPY that was sold at 600 on its last day."""
    sections = {
        "underlying": "SPY",
        "legs": "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {at: spot}}\n",
        "exits": f"\n{exits}  - at_expiry: settle\n",
        "order": "{start: mid, step: 0.01, wait: 10s, tries: 3, then: cancel}",
        "risk": "{daily_loss: $500, undefined_risk: allow}",
    }
    desk = Desk((text_of(**sections),))
    return desk, desk.opened().legs[0].option


@pytest.mark.parametrize("evening", [602.0, 590.0])
def test_shares_that_trade_on_in_the_evening_have_closed_before(evening: float) -> None:
    """The broker books assignments in the night; the last print was then one of the evening, not the close."""
    desk, option = of_shares()
    row = desk.board.rows[Underlying("SPY")]
    desk.until("15:59")
    desk.board.last[row] = 598.0
    desk.until("16:00")
    desk.until("16:01")
    desk.board.last[row] = evening
    desk.until("20:00")
    desk.holds(option, 0)
    assert [level for _, level in settled(desk)] == ["598.0000"]
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")


@pytest.mark.parametrize(("close", "words"), [(598.0, "assigned 16:01"), (602.0, "expired worthless 16:01")])
def test_the_report_of_the_day_says_once_how_it_ended(close: float, words: str) -> None:
    """It was `assigned 16:01: assigned`."""
    desk, option = of_shares()
    desk.until("15:59")
    desk.board.last[desk.board.rows[Underlying("SPY")]] = close
    desk.until("16:00")
    desk.until("16:01")
    desk.holds(option, 0)
    (bot,) = day_outcome(desk.state, desk.now).bots
    assert bot.lines[0].parts[1] == words
    (reported,) = (
        event_line(record, desk.state) for record in desk.said(Kind.DECISION) if record.data["what"] == "closed"
    )
    assert reported is not None
    assert reported.text.startswith(f"closed: {words[:-6]}, ")


def test_the_report_of_the_day_says_what_its_shares_were_worth() -> None:
    """A put at 600 was assigned at 598: its shares cost $200 more than they were worth."""
    desk, option = of_shares()
    desk.until("15:59")
    desk.board.last[desk.board.rows[Underlying("SPY")]] = 598.0
    desk.until("16:00")
    desk.until("16:01")
    desk.holds(option, 0)
    (bot,) = day_outcome(desk.state, desk.now).bots
    assert bot.lines[0].parts[-1] == "its shares made -$200.00 of that, at the settlement price"
    assert desk.position.gross == desk.position.cash - 200
    assert bot.profit == desk.position.net


def test_an_engine_that_has_not_seen_the_close_of_shares_waits_for_it() -> None:
    """Started anew in the evening it booked the last print of then as the close: a put assigned that had not been."""
    desk, option = of_shares()
    row = desk.board.rows[Underlying("SPY")]
    desk.until("16:00")
    desk.until("17:00")
    desk.state = desk.state._replace(market=replace(desk.state.market, closing={}))
    desk.board.last[row], desk.board.last_at[row] = 598.0, desk.now.timestamp()
    desk.holds(option, 0)
    assert not settled(desk)
    assert [text for text in desk.alarms if "its settlement level is not known" in text]
    desk.now = session_after(desk.day).open
    desk.board.previous_close[row] = 602.0
    desk.tick(0)
    assert settled(desk) == [("worthless", "602.0000")]


def test_what_leaves_the_account_later_in_that_session_settles_at_once() -> None:
    desk = of_the_morning()
    until_morning(desk, 60)
    assert not settled(desk)
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    assert [level for _, level in settled(desk)] == ["6000.0000"] * 2


@pytest.mark.parametrize("is_linked", [True, False])
def test_what_is_still_listed_the_next_morning_settles_then_and_keeps_nothing_out(is_linked: bool) -> None:
    """Its bot entered nothing until the broker had taken it off the list, and nobody was told why."""
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    legs = desk.opened().legs
    desk.until("16:10", step=300)
    row = desk.board.rows[Underlying("SPX")]
    if not is_linked:
        desk.unlink()
    desk.day = session_after(desk.day).date
    desk.now = session_from(desk.day).open - timedelta(minutes=1)
    desk.board.previous_close[row] = 5940.0
    desk.tick(0)
    if not is_linked:
        desk.link(positions={leg.option: leg.signed_held for leg in legs})
    desk.market()
    for listing in desk.listings():
        desk.send(ListingReport(desk.now, listing))
    assert not settled(desk)
    desk.board.frozen.add(row)
    desk.until("09:31", step=10)
    assert not settled(desk)
    desk.board.frozen.discard(row)
    desk.tick(10)
    assert settled(desk) == [("worthless", "5940.0000"), ("cash", "5940.0000")]
    assert desk.position.state == "closed"
    desk.until("10:01", step=10)
    assert len([order for order in desk.submitted if order.purpose is Purpose.ENTRY]) == 2
    for leg in legs:
        desk.holds(leg.option, 0)
    for _ in range(30):
        desk.tick(10)
    assert len(settled(desk)) == 2
    assert not [text for text in desk.alarms if "explains" in text or "less" in text]


def test_an_open_that_was_never_reported_is_an_alarm() -> None:
    desk = of_the_morning()
    until_morning(desk, 60)
    desk.board.open[desk.board.rows[Underlying("SPX")]] = float("nan")
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    assert not settled(desk)
    assert [text for text in desk.alarms if "its settlement level is not known" in text]


def test_a_print_that_is_not_live_at_the_close_settles_nothing() -> None:
    """A market data farm was broken since 15:50: what had expired was booked at the level of then, for good."""
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    desk.opened()
    desk.until("15:59")
    row = desk.board.rows[Underlying("SPX")]
    desk.board.last[row] = 5940.0
    desk.board.frozen.add(row)
    desk.until("16:00")
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    assert not settled(desk)
    assert [text for text in desk.alarms if "its settlement level is not known" in text]
    until_morning(desk, 0)
    assert settled(desk) == [("cash", "5930.0000")] * 2, "at the close of its last day"


def closed_beyond() -> Desk:
    """Return a desk with a spread whose exit the broker has filled twice."""
    desk = Desk((text_of(exits='[{time: "15:45"}]'),))
    desk.opened()
    desk.until("15:45")
    exit = desk.submitted[-1]
    desk.fill(exit)
    for execution in desk.executions_of(exit, 1):
        desk.send(execution)
    assert (desk.position.state, [leg.held for leg in desk.position.legs]) == ("closed", [-1, -1])
    return desk


def test_what_was_closed_beyond_what_was_held_settles_too() -> None:
    """The broker filled an exit twice: what that left expired in the account, and never came out of our books."""
    desk = closed_beyond()
    before = desk.state.bots.by_name["spread"].day.realized
    desk.until("15:59")
    desk.board.last[desk.board.rows[Underlying("SPX")]] = 5930.0
    desk.until("16:00")
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    assert [leg.held for leg in desk.position.legs] == [0, 0]
    assert desk.state.bots.by_name["spread"].day.realized - before == 15 * 100 - 5 * 100, "long 5945, short 5935"


@pytest.mark.parametrize(("executed", "is_before"), [("15:59", True), ("16:00", False)])
def test_a_fill_before_the_expiry_that_is_reported_after_it_takes_its_place(executed: str, is_before: bool) -> None:
    """It counted beside the settlement: more was closed than was held, and the leg was paid for twice."""
    desk = Desk((text_of(exits='[{time: "15:45"}]'),))
    desk.opened()
    desk.until("15:45")
    exit = desk.submitted[-1]
    desk.ack(exit)
    desk.until("15:59")
    reported = [replace(each, executed_at=clock(executed)) for each in desk.executions_of(exit, 1)]
    desk.board.last[desk.board.rows[Underlying("SPX")]] = 5930.0
    desk.until("16:01")
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    entry = sum((leg.entry_cash for leg in desk.position.legs), Decimal(0))
    assert [how for how, _ in settled(desk)] == ["cash", "cash"]
    for execution in reported:
        desk.send(replace(execution, at=desk.now))
    position = desk.position
    assert ([leg.held for leg in position.legs] == [0, 0]) is is_before
    assert any("more was closed" in text for text in desk.alarms) is not is_before
    if is_before:
        assert (position.exit_reason, position.closed_at) == ("time", clock(executed))
        paid = sum((each.price * 100 * (-1 if each.is_buy else 1) for each in reported), Decimal(0))
        assert position.cash == entry + paid
        assert desk.state.bots.by_name["spread"].day.realized == position.net
        assert [each.data["quantity"] for each in desk.said(Kind.SETTLEMENT)] == [1, 1, -1, -1]
        records = tuple(enumerate(desk.records, 1))
        assert (
            list(positions_follow_fills(journal_index(records)))
            == list(never_more_than_held(journal_index(records)))
            == []
        )


@pytest.mark.parametrize("level", [5930.0, 5990.0])
def test_an_exit_that_closed_nothing_has_not_ended_what_expired(level: float) -> None:
    """Books, page, digest and backtests said `time` of a spread that was settled at its full width after that."""
    desk = Desk((text_of(exits='[{time: "15:45"}]'),))
    desk.opened()
    desk.until("15:45")
    desk.ack(desk.submitted[-1])
    desk.until("15:59")
    desk.board.last[desk.board.rows[Underlying("SPX")]] = level
    desk.until("16:01")
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    assert desk.position.exit_reason == ("settled" if level < 5940.0 else "expired_worthless")
    (bot,) = day_outcome(desk.state, desk.now).bots
    assert "time" not in bot.lines[0].parts[1]


@pytest.mark.parametrize("began", ["16:00", "16:02"])
@pytest.mark.parametrize(("close", "how"), [(598.0, "assigned"), (602.0, "worthless")])
def test_a_fill_that_is_reported_after_the_expiry_takes_its_place_over_a_start_too(
    close: float, how: str, began: str
) -> None:
    """Nobody knew the close of shares any more: the leg was closed twice, and the bot halted.

    began: when the engine saw the close; at 16:02 only by what has settled.
    """
    desk, option = of_shares('  - time: "15:45"\n')
    desk.until("15:45")
    exit = desk.submitted[-1]
    desk.ack(exit)
    reported = [replace(each, executed_at=clock("15:59")) for each in desk.executions_of(exit, 1)]
    row = desk.board.rows[Underlying("SPY")]
    desk.until("15:59")
    desk.board.last[row] = close
    desk.now = clock(began)
    desk.tick(quiet=True)
    desk.now = clock("16:03")
    desk.tick(quiet=True)
    desk.holds(option, 0)
    assert settled(desk) == [(how, f"{close:.4f}")]
    desk.until("18:00")
    desk.board.last[row] = 600.0
    desk.start_again()
    desk.link([], {})
    for execution in reported:
        desk.send(replace(execution, at=desk.now))
    assert ([leg.held for leg in desk.position.legs], desk.position.exit_reason) == ([0], "time")
    assert [(each.data["quantity"], each.data["how"]) for each in desk.said(Kind.SETTLEMENT)] == [(1, how), (-1, how)]


@pytest.mark.parametrize("second", [15, 45])
def test_a_start_between_the_close_and_the_settlement_knows_the_close(second: int) -> None:
    """A person was told that the level is not known, and it was booked on the next day."""
    desk, _ = of_shares()
    row = desk.board.rows[Underlying("SPY")]
    for after, last in ((0, 597.0), (10, 598.0), (second, nan), (50, 601.0)):
        desk.now = clock("16:00") + timedelta(seconds=after)
        desk.board.last[row] = last
        if after == second:
            desk.start_again()
            desk.link([], {})
        desk.tick()
    desk.until("16:05")
    assert settled(desk) == [("assigned", "598.0000")]
    assert not [text for text in desk.alarms if "settlement level" in text]


def test_no_exit_closes_what_has_expired_while_nobody_looked() -> None:
    """An exit by time began to close it, and gave the trade its name; its level was missed before it was asked for."""
    desk, _ = of_shares('  - time: "15:30"\n')
    desk.until("15:00")
    desk.unlink()
    until_morning(desk, 365)
    desk.board.previous_close[desk.board.rows[Underlying("SPY")]] = float("nan")
    desk.link([], {})
    desk.tick(1)
    assert (desk.position.state, desk.position.exit_reason) == ("open", "")
    assert not [text for text in desk.alarms if "settlement level" in text or "no price" in text]
    desk.board.previous_close[desk.board.rows[Underlying("SPY")]] = 598.0
    desk.tick(5)
    assert settled(desk) == [("assigned", "598.0000")]
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")


@pytest.mark.parametrize("is_reported", [True, False], ids=["one leg was told", "nothing was told"])
def test_what_was_closed_beyond_what_was_held_settles_while_nobody_listens_too(is_reported: bool) -> None:
    """The engine ended between its legs, and the account had the others no more (seed 910018 of `rulebot chaos`)."""
    desk = closed_beyond()
    desk.until("15:59")
    desk.board.last[desk.board.rows[Underlying("SPX")]] = 5930.0
    desk.until("16:00")
    before = desk.state.bots.by_name["spread"].day.realized
    if is_reported:
        desk.holds(desk.position.legs[0].option, 0)
    desk.unlink()
    desk.now = clock("16:01")
    desk.link([], {})
    desk.until("16:06", step=5)
    assert [leg.held for leg in desk.position.legs] == [0, 0]
    assert desk.state.bots.by_name["spread"].day.realized - before == 15 * 100 - 5 * 100


def test_over_a_weekend_what_expired_unseen_waits_for_the_close_of_its_last_day() -> None:
    """The broker may stream that of the day before: a start on Sunday settled options of Friday at it."""
    desk = Desk(day=date(2026, 11, 20))
    desk.opened()
    desk.until("15:30")
    desk.unlink()
    desk.now = clock("01:30", date(2026, 11, 22))
    row = desk.board.rows[Underlying("SPX")]
    desk.board.previous_close[row] = 6040.0
    desk.tick()
    desk.link(positions=[])
    for _ in range(4):
        desk.tick(600)
    assert not desk.said(Kind.SETTLEMENT)
    assert not [text for text in desk.alarms if "settlement level" in text]
    desk.now = session_from(date(2026, 11, 23)).open
    desk.board.previous_close[row] = 6010.0
    for _ in range(3):
        desk.tick(5)
    assert {record.data["level"] for record in desk.said(Kind.SETTLEMENT)} == {"6010.0000"}
    assert desk.position.state == "closed"


@pytest.mark.parametrize("left", [0, 100])
def test_shares_that_were_called_away_in_the_night_are_not_sold_at_the_open(left: int) -> None:
    """The call settles at that open, and the exit of the day before goes on there: its first order went first."""
    text = text_of(
        "writer",
        underlying="SPY",
        entry='{at: "10:00"}',
        legs="\n  expiry: {dte: 0}\n  stock: {buy: shares}\n  short_call: {sell: call, strike: {at: spot}}\n",
        exits='\n  - time: "15:55"\n',
        risk="{daily_loss: $500}",
    )
    spy = Underlying("SPY")
    desk = Desk((text,), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[])
    order = desk.enter()
    desk.ack(order)
    stock, sold = order.legs
    desk.send(desk.execution(order, stock, 100, "600.00"))
    desk.send(PositionReport(desk.now, spy, Decimal(100), Decimal(600)))
    desk.send(desk.execution(order, sold, 1, "2.10"))
    desk.until("15:59")
    desk.tick(1)
    desk.ack(desk.last)
    desk.until("16:00")
    desk.cancelled(desk.last)
    assert desk.position.state == "exiting"
    desk.until("16:30")
    desk.now = session_after(desk.day).open - timedelta(hours=7)
    desk.tick(quiet=True)
    desk.holds(sold.option, 0)
    desk.send(PositionReport(desk.now, spy, Decimal(left), Decimal(600)))
    desk.now = session_after(desk.day).open
    desk.board.previous_close[desk.board.rows[spy]] = 605.0 if not left else 595.0
    sent = len(desk.submitted)
    for _ in range(4):
        desk.quote(share("SPY"), 604.99, 605.01)
        desk.tick(5)
    assert len(desk.submitted) - sent == (1 if left else 0)
    assert (desk.position.state, [leg.held for leg in desk.position.legs]) == (
        ("exiting", [100, 0]) if left else ("closed", [0, 0])
    )


def test_what_settles_at_the_open_is_in_no_order_that_an_exit_sends_there() -> None:
    """The near leg of a calendar stood in the order that closed it, though it had expired."""
    legs = "\n  short_put: {sell: put, strike: {otm: 10 pts}, expiry: {dte: 0}}\n"
    text = text_of(
        entry='{at: "10:00", max_open: 3}',
        legs=f"{legs}  long_put: {{buy: put, strike: {{otm: 10 pts}}, expiry: {{dte: {{nearest: 90}}}}}}\n",
        exits="\n  - name: late\n    time_in_trade: {at_least: 6h}\n  - dte: {at_most: 5, of: long_put}\n",
        risk="{undefined_risk: allow}",
    )
    desk = Desk((text,))
    far = put(5990, "SPX", desk.expiry_90)
    desk.until("10:00")
    for _ in range(2):
        desk.quote(far, 100.0, 100.5)
        desk.tick(5)
    desk.fill(desk.last)
    desk.until("15:59")
    desk.until("16:30")
    desk.now = session_after(desk.day).open - timedelta(hours=7)
    desk.tick(quiet=True)
    desk.holds(desk.position.legs[0].option, 0)
    desk.board.previous_close[desk.board.rows[Underlying("SPX")]] = 6010.0
    desk.now = session_after(desk.day).open
    desk.quote(far, 100.0, 100.5)
    desk.tick(5)
    assert [leg.settled for leg in desk.position.legs] == [1, 0]
    assert [leg.option for leg in desk.last.legs] == [far]
