"""Calls against shares held with a universe: each symbol's are covered by the shares of that symbol alone."""

from collections.abc import Iterable
from decimal import Decimal

from hand_desk import Desk, call, put, text_of

from rulebot.model.contract import Underlying
from rulebot.model.event import PositionReport
from rulebot.model.facts import Listing
from rulebot.model.order import OrderStatus
from rulebot.record.record import Kind

SPY, QQQ = Underlying("SPY"), Underlying("QQQ")
CALLS = {
    "underlyings": "",
    "universe": "{symbols: [SPY, QQQ], rank: {by: spot, highest: 2}}",
    "quantity": "{overwrite: {between: [25%, 50%]}}",
    "entry": '{window: {from: "10:00", to: "11:00"}, per_day: 3, max_open: 3, again: {after: [filled], wait: 60s}}',
    "legs": "\n  expiry: {dte: 0}\n  short_call: {sell: call, strike: {delta: 0.20}}\n",
    "order": "{start: mid, step: 0.01, wait: 10s, tries: 3, then: cancel}",
    "exits": '\n  - time: "15:45"\n    order: market\n  - target: {profit: 50%}\n',
    "risk": "{daily_loss: $500}",
}


class TwoFunds(Desk):
    """A desk on which QQQ at 500 is quoted too."""

    def market(self) -> None:
        self.quote(QQQ, 499.99, 500.01)
        self.board.last[self.board.rows[QQQ]] = 500.0
        for away in range(11):
            self.option(put(500 - away, "QQQ"), away * 10, 0.1)
            self.option(call(500 + away, "QQQ"), away * 10, 0.1)
        super().market()

    def listings(self) -> Iterable[Listing]:
        yield from super().listings()
        strikes = tuple(Decimal(strike) for strike in range(450, 551))
        yield Listing("QQQ", "QQQ", (self.day,), {self.day: strikes})


def desk_of(spy: int, qqq: int, **sections: str) -> Desk:
    """Return a bot on both at 09:59, in an account with so many shares of each."""
    desk = TwoFunds((text_of("seller", **{**CALLS, **sections}),), linked=False)
    held = [(symbol, count) for symbol, count in ((SPY, spy), (QQQ, qqq)) if count]
    desk.link(positions=held, costs=[(SPY, "580"), (QQQ, "480")])
    desk.tick(1)
    return desk


def sent(desk: Desk) -> list[tuple[str, int]]:
    return [(order.legs[0].option.symbol, order.quantity) for order in desk.submitted]


def fill_all(desk: Desk) -> None:
    for _ in range(8):
        for order in desk.live:
            desk.fill(order)
        desk.tick(30)


def test_each_symbol_sells_against_its_own_shares() -> None:
    desk = desk_of(1000, 600)
    desk.until("10:00")
    fill_all(desk)
    assert sent(desk) == [("SPY", 5), ("QQQ", 3)]


def test_shares_of_one_symbol_cover_no_calls_of_another() -> None:
    desk = desk_of(0, 600)
    desk.until("10:00")
    fill_all(desk)
    assert sent(desk) == [("QQQ", 3)]
    (ranked, *_) = [str(each.data["reason"]) for each in desk.said(Kind.DECISION) if each.data["what"] == "rank"]
    assert ranked.endswith("; passed over: SPY (the account holds no SPY shares)")


def test_a_symbol_without_shares_takes_the_place_of_none_that_has_them() -> None:
    """It stood first by its rank, so that the shares that are held were never written against."""
    desk = desk_of(199, 600, universe="{symbols: [SPY, QQQ], rank: {by: spot, highest: 1}}")
    desk.until("10:00")
    fill_all(desk)
    assert sent(desk) == [("QQQ", 3)]
    assert desk.state.bots.by_name["seller"].subscribed_symbols == ("QQQ",)


def test_a_symbol_keeps_its_place_when_its_shares_are_all_written_against() -> None:
    desk = desk_of(200, 600, universe="{symbols: [SPY, QQQ], rank: {by: spot, highest: 1}}")
    desk.until("10:00")
    fill_all(desk)
    desk.until("10:30", step=60)
    assert sent(desk) == [("SPY", 1)]


def test_an_entry_ends_when_its_shares_are_sold_and_the_other_symbol_continues() -> None:
    desk = desk_of(1000, 600)
    desk.until("10:00")
    (entry,) = desk.live
    desk.ack(entry)
    desk.send(PositionReport(desk.now, QQQ, Decimal(100), Decimal(480)))
    assert desk.order(entry.ref).status is OrderStatus.WORKING
    desk.send(PositionReport(desk.now, SPY, Decimal(100), Decimal(580)))
    assert desk.order(entry.ref).status is OrderStatus.CANCELLING


def test_a_person_is_notified_whose_shares_are_missing() -> None:
    desk = desk_of(1000, 600)
    desk.until("10:00")
    fill_all(desk)
    desk.send(PositionReport(desk.now, QQQ, Decimal(200), Decimal(480)))
    for _ in range(9):
        desk.tick(5)
    (reported,) = desk.alarms
    assert reported.startswith("the account holds 200 QQQ shares, 100 fewer than the calls sold against them need")
