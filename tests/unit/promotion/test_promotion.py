"""Paper sessions judged, and what they come to, against values made by hand."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from paper_days import BOT, FIRST, alarm, at, days, entity, halt, position, put, request, session, spec_text, together

from rulebot.checks.journal.audit import audit_tape
from rulebot.checks.journal.books import journal_index
from rulebot.compile.build import build_plan
from rulebot.model.cause import Halt
from rulebot.model.event import Request
from rulebot.model.performance import sharpe
from rulebot.model.position import HoldReason
from rulebot.promotion.paper import Key, Paper, SessionSpan, closed_trades, read_paper
from rulebot.promotion.promotion import Promotion, keep, read_live_store, valid_until
from rulebot.promotion.sessions import BotSession, Figures, audit_faults, compare, figures, judge
from rulebot.record.record import BY_HAND, HOURS, NEAREST, Json, Kind, Record
from rulebot.spec.load import load_text
from rulebot.spec.nouns import Demand, Op, Shown
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

KEY = Key(BOT, spec_text().digest)
A, B, C = days(3)


def paper(records: list[Record], *, simulated: bool = False) -> Paper:
    return read_paper(journal_index(enumerate(records, 1)), simulated=simulated)


def judged(*records: Record, account_loss: Decimal | None = None) -> tuple[BotSession, ...]:
    return judge(paper(list(records)), KEY, {}, account_loss)


def only(*records: Record, account_loss: Decimal | None = None) -> BotSession:
    (found,) = judged(*records, account_loss=account_loss)
    return found


def evaluation(clock: str, rule: str, *, truth: bool | None = True, place: str = "halts", day: date = A) -> Record:
    data: dict[str, Json] = {"rule": rule, "place": place, "truth": truth, "missing": ""}
    return Record(at(day, clock), Kind.VERDICT, BOT, data=data)


# ---------------------------------------------------------------- one session


def test_a_session_with_a_trade_and_one_without_are_compliant() -> None:
    first, second = judged(*session(A, "25"), *session(B))
    assert first == BotSession(date=A, profit=Decimal(25), closed=1)
    assert second == BotSession(date=B, profit=Decimal(0), closed=0)
    assert first.is_compliant
    assert second.is_compliant


def test_an_engine_that_is_there_from_the_window_on_is_there() -> None:
    assert only(*session(A, "25", starts="10:29")).is_compliant


@pytest.mark.parametrize(
    ("starts", "ends", "missed"),
    [
        ("10:31", "16:06", "not running, or not connected, from 10:30 to 10:31"),
        ("09:20", "15:59", "not running, or not connected, from 15:59 to 16:00"),
    ],
)
def test_an_engine_that_is_not_there_all_the_time_leaves_the_session_out(starts: str, ends: str, missed: str) -> None:
    found = only(*session(A, "25", starts=starts, ends=ends))
    assert (found.missed, found.faults, found.profit) == (missed, (), Decimal(25))


def hours_of(day: date, value: str, symbol: str = "SPX") -> Record:
    return Record(at(day, "09:21"), Kind.FACTS, data={"symbol": symbol, "what": HOURS, "value": value})


def test_a_day_without_trading_is_left_out() -> None:
    shut = "by the broker's hours there was no trading in SPX"
    assert only(*session(A, None, hours_of(A, "closed"))).missed == shut
    assert only(*session(A, None, hours_of(A, "closed", "QQQ"))).is_compliant
    assert only(*session(A, None, hours_of(A, "closed"), hours_of(A, "09:30 to 16:00"))).is_compliant


def test_a_day_that_ends_early_is_whole_for_who_is_there_until_then() -> None:
    times: dict[str, Json] = {"open": at(A, "09:30").isoformat(), "close": at(A, "13:00").isoformat()}
    short = Record(at(A, "09:21"), Kind.SESSION, data={"date": A.isoformat(), "half": True, **times})
    assert only(*session(A, None, short, ends="13:06")).is_compliant
    assert only(*session(A, None, short, ends="12:59")).missed.endswith("from 12:59 to 13:00")


def test_a_start_after_the_close_is_no_session() -> None:
    assert judged(*session(A, starts="17:00", ends="17:05")) == ()


def entering(entry: str, run: list[Record]) -> BotSession:
    """Return the session of a run whose bot enters at other times than it does."""
    return changed(spec_text().text.replace('window: {from: "10:30", to: "13:30"}', entry), run)


def changed(text: str, run: list[Record]) -> BotSession:
    """Return the session of a run under another text."""
    spec = load_text(text, f"{BOT}.yaml").spec
    assert spec is not None
    plan, _ = build_plan(spec)
    assert plan is not None
    specs: Any = run[0].data["specs"]
    others = {BOT: {**specs[BOT], "text": text, "digest": plan.digest}}
    records = [replace(run[0], data={**run[0].data, "specs": others}), *run[1:]]
    (found,) = judge(paper(records), Key(BOT, plan.digest), {})
    return found


def test_a_week_day_on_which_it_does_not_enter_shows_nothing() -> None:
    """Whoever enters on Mondays alone would have five sessions in a row each week, four of them for being there."""
    mondays = 'window: {from: "10:30", to: "13:30"}\n  days: [mon]'
    assert entering(mondays, session(A)).is_compliant
    assert entering(mondays, session(B)).missed == "there was nothing to do: it does not enter on a Tuesday"
    assert entering(mondays, session(B, starts="15:59")).missed.startswith("there was nothing to do")


@pytest.mark.parametrize(
    ("window", "starts", "missed"),
    [
        ('[{from: "12:00", to: "12:30"}, {from: close - 2h, to: close - 1h}]', "10:59", ""),
        ('[{from: "12:00", to: "12:30"}, {from: close - 2h, to: close - 1h}]', "11:30", "from 11:00 to 11:30"),
        ('{from: "13:30", to: "15:00"}', "09:30", "there was nothing to do: its window is empty today (early close)"),
    ],
)
def test_on_a_half_day_the_window_that_comes_first_counts_wherever_it_is_written(
    window: str, starts: str, missed: str
) -> None:
    day = date(2026, 11, 27)
    times: dict[str, Json] = {"open": at(day, "09:30").isoformat(), "close": at(day, "13:00").isoformat()}
    short = Record(at(day, starts), Kind.SESSION, data={"date": day.isoformat(), "half": True, **times})
    found = entering(f"window: {window}", session(day, None, short, starts=starts, ends="13:06"))
    assert (found.missed.endswith(missed), found.is_compliant) == (True, not missed)


def test_short_gaps_that_are_long_together_leave_the_session_out() -> None:
    """Away for four minutes of each ten a session was whole, and all that it had not seen nobody held against it."""

    def gone(clock: str, back: str) -> list[Record]:
        down = Record(at(A, clock), Kind.LINK, data={"up": False, "reason": "gone"})
        return [down, Record(at(A, back), Kind.LINK, data={"up": True, "reason": ""})]

    twice = [*gone("11:00", "11:02"), *gone("12:00", "12:03")]
    assert only(*session(A, None, *twice)).is_compliant
    found = only(*session(A, None, *twice, *gone("14:10", "14:11")))
    assert found.missed == "not running, or not connected, for 6 minutes in all, the last time from 14:10 to 14:11"
    assert only(*session(A, None, *twice, *gone("09:40", "10:20"))).is_compliant  # before the window


def test_a_short_gap_is_passed_over_and_a_long_one_is_not() -> None:
    lost = [Record(at(A, "11:00"), Kind.LINK, data={"up": False, "reason": "gone"})]
    back = [Record(at(A, clock), Kind.LINK, data={"up": True, "reason": ""}) for clock in ("11:05", "11:06")]
    assert only(*session(A, None, *lost, back[0])).is_compliant
    assert only(*session(A, None, *lost, back[1])).missed == "not running, or not connected, from 11:00 to 11:06"
    died = session(A, None)[:-1]
    assert only(*died, *session(A, None, starts="11:00")).missed == "not running, or not connected, from 10:30 to 11:00"


def test_an_engine_that_is_away_at_the_close_leaves_the_session_out_however_soon_it_is_back() -> None:
    lost = Record(at(A, "15:57"), Kind.LINK, data={"up": False, "reason": "gone"})
    back = Record(at(A, "16:01"), Kind.LINK, data={"up": True, "reason": ""})
    assert only(*session(A, None, lost, back)).missed == "not running, or not connected, from 15:57 to 16:00"
    again = [*session(A, None, ends="15:58"), *session(A, None, starts="16:02")]
    assert only(*again).missed == "not running, or not connected, from 15:58 to 16:00"


def test_what_is_written_while_no_engine_runs_shows_none() -> None:
    asked = request(A, "16:01", Request.PAUSE, "another")
    assert only(*session(A, None, ends="12:00"), asked).missed.endswith("from 12:00 to 16:00")


def test_a_run_that_was_never_reported_of_its_session_is_judged_by_the_calendar() -> None:
    unreported = [each for each in session(A, "25") if each.kind is not Kind.SESSION]
    assert only(*unreported).is_compliant


def test_what_is_made_on_a_day_off_is_of_no_session() -> None:
    saturday = date(2026, 10, 24)
    found = only(*session(saturday, "25"))
    assert (found.date, found.missed, found.profit) == (saturday, "no session of the exchange", Decimal(25))


def test_whoever_carries_a_position_in_is_needed_from_the_open() -> None:
    held = position(A, "0", state="open", closed_at=None, legs=(replace(position(A, "0").legs[0], closed=0),))
    first = session(A, None, entity(at(A, "10:30"), held))
    assert judged(*first, *session(B, None, starts="10:00"))[1].missed.endswith("from 09:30 to 10:00")


def test_a_person_who_holds_the_bot_back_leaves_the_session_out() -> None:
    pause, resume = request(A, "11:00", Request.PAUSE, BOT), request(A, "11:10", Request.RESUME, BOT)
    assert only(*session(A, None, pause, resume)).missed == "a person held the bot back (pause or kill)"
    other = request(A, "11:00", Request.PAUSE, "another")
    assert only(*session(A, None, other)).is_compliant
    killed = [*session(A, None, request(A, "16:03", Request.KILL)), *session(B), *session(C)]
    assert [bool(each.missed) for each in judged(*killed)] == [False, True, True]


def test_a_bot_that_is_let_go_before_its_window_was_not_held_back() -> None:
    pause, resume = request(A, "09:25", Request.PAUSE, BOT), request(A, "10:00", Request.RESUME, BOT)
    first, second = judged(*session(A, None, pause, resume), *session(B))
    assert first.is_compliant
    assert second.is_compliant


@pytest.mark.parametrize(("place", "clock"), [("halts", "09:31"), ("when", "10:30:01")])
def test_a_condition_that_was_unknown_in_all_of_the_window_leaves_the_session_out(place: str, clock: str) -> None:
    """Days without market data made a row of compliant sessions: nothing was entered, so nothing was against them."""
    without_data = evaluation(clock, "vix_spike", truth=None, place=place)
    said = "nothing could be entered: vix_spike was unknown from 10:30 to 13:30"
    assert only(*session(A, None, without_data)).missed == said
    again = evaluation("12:00", "vix_spike", truth=False, place=place)
    assert only(*session(A, None, without_data, again)).is_compliant
    for truth in (None, False):
        restarted = evaluation(clock, "vix_spike", truth=truth, place=place, day=B)
        first, second = judged(*session(A, None, without_data, ends="16:06"), *session(B, None, restarted))
        assert (first.missed, second.missed) == (said, said if truth is None else "")


CHOOSING = """\
  choose:
    - name: dear
      when: [{iv_percentile: {at_least: 60}}, {vix: {above: 15}}]
      short_put: {sell: put, strike: {delta: 0.10}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
    - name: calm
      when: [{vix: {below: 12}}]
      short_put: {sell: put, strike: {delta: 0.05}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""
EXPENSIVE, FEARED, CALM = "dear.iv_percentile", "dear.vix", "calm.vix"


@pytest.mark.parametrize(
    ("reported", "without_data"),
    [
        ([("11:00", {EXPENSIVE: None, FEARED: True, CALM: False})], EXPENSIVE),
        ([("11:00", {EXPENSIVE: None, FEARED: True, CALM: True})], EXPENSIVE),
        ([("11:00", {EXPENSIVE: None, FEARED: False, CALM: None})], CALM),
        ([("10:00", {EXPENSIVE: True, FEARED: True, CALM: None}), ("11:00", {EXPENSIVE: None})], EXPENSIVE),
        ([("11:00", {EXPENSIVE: None, FEARED: None, CALM: True}), ("12:00", {FEARED: False})], ""),
        ([("11:00", {EXPENSIVE: None, FEARED: False, CALM: False})], ""),
        ([("11:00", {EXPENSIVE: True, FEARED: True, CALM: None})], ""),
        ([("14:00", {EXPENSIVE: None, FEARED: True, CALM: False})], ""),
        ([], ""),
    ],
)
def test_a_choice_that_was_unknown_whenever_it_was_made_leaves_the_session_out(
    reported: list[tuple[str, dict[str, bool | None]]], without_data: str
) -> None:
    """A bot whose first alternative needs a history that it never got had a row of compliant sessions, and no trade."""
    results = [
        evaluation(clock, rule, truth=truth, place="choose")
        for clock, truths in reported
        for rule, truth in truths.items()
    ]
    text = spec_text().text
    legs = text[text.index("  short_put:") : text.index("order:")]
    found = changed(text.replace(legs, CHOOSING), session(A, None, *results))
    said = f"nothing could be entered: {without_data} was unknown whenever an alternative was to be chosen"
    assert found.missed == (said if without_data else "")


def test_a_condition_that_was_decided_when_the_window_began_leaves_nothing_out() -> None:
    seen = evaluation("10:30", "vix_spike", truth=False, place="when")
    without_data = evaluation("10:32", "vix_spike", truth=None, place="when")
    assert only(*session(A, None, seen, without_data)).is_compliant


def test_what_is_unknown_of_an_exit_or_of_one_symbol_keeps_nobody_from_entering() -> None:
    of_exit = evaluation("09:31", "cheap", truth=None, place="exit")
    assert only(*session(A, None, of_exit)).is_compliant
    reported = evaluation("09:31", "vix_spike", truth=None, place="when")
    of_symbol = replace(reported, data={**reported.data, "symbol": "QQQ"})
    of_another = replace(reported, data={**reported.data, "symbol": "SPY", "truth": False})
    assert only(*session(A, None, of_symbol, of_another)).is_compliant


def chosen(clock: str, reason: str) -> Record:
    return Record(at(A, clock), Kind.SELECTION, BOT, data={"reason": reason, "legs": [], "spots": {}})


def nearest(rule: str) -> Record:
    value: dict[str, Json] = {"rule": rule, "failed": 1, "shortfall": 1.0}
    return Record(at(A, "11:00"), Kind.FACTS, BOT, data={"what": NEAREST, "symbol": "", "value": value})


UNQUOTED = chosen("10:30", "short_put: strikes around |delta| nearest 0.08 are not quoted")
UNPRICED = chosen("10:30", "price: short_put: no ask")
HELD = evaluation("10:30", "vix_change", truth=True, place="when")


@pytest.mark.parametrize(
    ("reported", "first"),
    [
        ([HELD, UNQUOTED], "short_put: strikes around |delta| nearest 0.08 are not quoted"),
        ([HELD, UNPRICED, nearest("price")], "short_put: no ask"),
        ([HELD, evaluation("10:30", "credit", truth=None, place="require")], "credit"),
        ([replace(HELD, data={**HELD.data, "truth": None, "symbol": "QQQ"})], "QQQ vix_change"),
        ([HELD, UNQUOTED, chosen("12:00", "credit: 0.10, at least 0.20"), nearest("credit")], ""),
        ([HELD, UNQUOTED, nearest("strikes")], ""),
        ([HELD, UNPRICED, nearest("price"), evaluation("12:00", "vix_change", truth=False, place="when")], ""),
        ([HELD, UNQUOTED, Record(at(A, "12:00"), Kind.DECISION, BOT, data={"what": "enter", "reason": ""})], ""),
        ([HELD, UNQUOTED, Record(at(A, "12:00"), Kind.DECISION, BOT, data={"what": "skip", "reason": ""})], ""),
        ([HELD], ""),
    ],
)
def test_an_entry_that_was_unknown_whenever_it_was_judged_leaves_the_session_out(
    reported: list[Record], first: str
) -> None:
    """Days on which no option was quoted made a row of compliant sessions: only conditions of `when` were looked at."""
    said = f"nothing could be entered: something was unknown whenever it was judged, first {first}"
    assert only(*session(A, None, *reported)).missed == (said if first else "")


def test_a_day_that_a_halt_of_the_plan_ended_was_judged() -> None:
    """It is no day without data, though nothing but its halt was known."""
    tripped = evaluation("10:31", "day_range")
    halted = halt(A, "10:31", "day_range 37.2 pts, above 37.1")
    assert only(*session(A, None, HELD, UNQUOTED, tripped, halted)).is_compliant


@pytest.mark.parametrize("is_one_run", [True, False])
def test_what_was_unknown_yesterday_is_judged_again(is_one_run: bool) -> None:
    """Of a quiet day within a longer run nothing came after it: it was unknown until then, and no longer."""
    without_data = evaluation("09:31", "vix_spike", truth=None)
    first, second = session(A, None, without_data), session(B)
    records = [*first[:-1], *second[2:]] if is_one_run else [*first, *second]
    found = judged(*records)
    assert [each.missed for each in found] == [
        "nothing could be entered: vix_spike was unknown from 10:30 to 13:30",
        "",
    ]


def test_a_reload_that_leaves_a_text_as_it_was_decides_nothing() -> None:
    without_data = evaluation("09:31", "vix_spike", truth=None)
    same = Record(at(A, "11:00"), Kind.FACTS, data={"specs": session(A)[0].data["specs"]})
    assert only(*session(A, None, without_data, same)).missed.startswith("nothing could be entered")


def test_another_text_within_the_window_is_judged_again() -> None:
    without_data = evaluation("09:31", "vix_spike", truth=None)
    changed = Record(at(A, "10:20"), Kind.FACTS, data={"specs": session(A, digest="other")[0].data["specs"]})
    found = judge(paper(session(A, None, without_data, changed)), Key(BOT, "other"), {})
    assert [each.missed for each in found] == ["not running, or not connected, from 09:30 to 10:20"]
    assert paper(session(A, None, without_data, changed)).unknown[BOT] == [
        ("vix_spike", SessionSpan(without_data.at, changed.at))
    ]


def test_a_halt_of_the_plan_is_compliant_and_every_other_is_not() -> None:
    planned = halt(A, "11:00", "day_range 37.2 pts, above 37.1")
    assert only(*session(A, None, evaluation("11:00", "day_range"), planned)).is_compliant
    assert only(*session(A, None, planned)).faults == ("halted: day_range 37.2 pts, above 37.1",)
    reason = "the day's loss is $150.00, daily_loss is $150.00"
    lost = halt(A, "12:00", reason, Halt.DAY_LOSS)
    assert only(*session(A, None, evaluation("11:00", "day_range"), lost)).faults == (f"halted: {reason}",)
    for why in (Halt.DAY_PROFIT, Halt.ACCOUNT_PROFIT):
        assert only(*session(A, None, halt(A, "12:00", "a profit of $900.00", why))).is_compliant


def test_a_halt_of_the_plan_stays_the_plans_when_its_condition_is_over() -> None:
    reason = "day_range 37.2 pts, above 37.1"
    begun, over = evaluation("11:00", "day_range"), evaluation("11:30", "day_range", truth=False)
    assert only(*session(A, None, begun, halt(A, "11:00", reason), over, halt(A, "12:00", reason))).is_compliant
    late = halt(A, "12:00", reason)
    assert only(*session(A, None, begun, over, late)).faults == (f"halted: {reason}",)


def test_a_halt_condition_that_was_true_since_yesterday_is_the_plans_too() -> None:
    reason = "day_range 37.2 pts, above 37.1"
    first = session(A, None, evaluation("11:00", "day_range"), halt(A, "11:00", reason), ends="09:00:01")[:-1]
    hours = next(record for record in session(B) if record.kind is Kind.SESSION)
    later = [halt(B, "09:31", reason), Record(at(B, "16:06"), Kind.RUN_ENDED, data={"reason": "", "is_clean": True})]
    assert [each.faults for each in judged(*first, hours, *later)] == [(), ()]


def test_a_text_that_changes_within_a_run_leaves_both_sessions_out() -> None:
    other = session(A, digest="other")[0].data["specs"]
    changed = Record(at(A, "11:00"), Kind.FACTS, data={"specs": other})
    found = paper(session(A, None, changed))
    assert [each.missed for each in judge(found, KEY, {})] == ["not running, or not connected, from 11:00 to 16:00"]
    assert [each.missed for each in judge(found, Key(BOT, "other"), {})] == [
        "not running, or not connected, from 09:30 to 11:00"
    ]
    same = replace(changed, data={"specs": session(A)[0].data["specs"]})
    assert only(*session(A, None, same)).is_compliant


def test_a_fill_by_hand_counts_in_the_bots_own_contracts_only() -> None:
    mine, other = str(put(A)), str(put(A, 5800))
    text = f"not ours: bought 1 {mine} at 0.5"
    assert only(*session(A, "25", alarm(A, "13:00", text, mine))).faults == (f"by hand: {text}",)
    assert only(*session(A, "25", alarm(A, "13:00", text, other))).is_compliant
    assert only(*session(A, "25", alarm(A, "13:00", "no quote of SPY for 60 s"))).is_compliant


def test_what_a_person_closed_and_what_is_on_hold() -> None:
    assert only(*session(A, "25", exit_reason="flattened")).faults == ("P19 was closed by hand",)
    assert only(*session(A, "25", hold=HoldReason.ACCOUNT_DIFFERS, on_hold="gone")).faults == ("P19 is on hold: gone",)
    half = replace(position(A, "0").legs[0], opened=2)
    assert only(*session(A, "0", legs=(half,))).faults == ("P19 is over, and something of it is still held",)


def entered_by_hand(day: date) -> Record:
    data: dict[str, Json] = {"what": "enter", "reason": "asked by the operator", "values": [], BY_HAND: True}
    return Record(at(day, "10:30"), Kind.DECISION, BOT, f"P{day:%d}", data)


def test_what_an_operator_had_it_enter_shows_nothing_of_a_bot() -> None:
    """A bot whose `when` can never hold was promoted by one entry by hand; what that was rolled into is of it, too."""
    rolled = position(B, "30", trade=f"P{A:%d}")
    runs = [session(A, "25", entered_by_hand(A)), session(B, None, entity(at(B, "12:00"), rolled)), session(C, "-10")]
    found = paper(together(*runs))
    first, second, third = judge(found, KEY, {}, Decimal(10))
    assert first == BotSession(date=A, profit=Decimal(0), closed=0, faults=("P19 was entered by hand",))
    assert second == BotSession(date=B, profit=Decimal(0), closed=0)
    assert third.faults == ("all bots together lost $10.00, the account's daily_loss is $10.00",)
    made = shown(found)
    assert (made.compliant_sessions, made.trades, made.expectancy) == (2, 1, Decimal(-10))
    assert (made.win_rate, made.marked) == (Decimal(0), Decimal(-10))


def test_what_is_lost_by_hand_counts_for_the_account() -> None:
    lost = only(*session(A, "-300", entered_by_hand(A)), account_loss=Decimal(300))
    assert lost.faults[1:] == ("all bots together lost $300.00, the account's daily_loss is $300.00",)


def test_limits_that_were_passed() -> None:
    """put_lite may lose $50 a trade by its stop, and its spread at most what `max_loss_per_trade` says."""
    limit = "max_loss_per_trade is $1,000.00"
    assert only(*session(A, "-1002")).is_compliant  # $1,000 before commissions
    assert only(*session(A, "-1003")).faults == (f"P19 lost $1,001.00, {limit}",)
    assert only(*session(A, "25", exit_reason="unprotected")).faults == (
        "P19 was without protection for longer than max_time_without_stop",
    )
    loss = only(*session(A, "-300"), account_loss=Decimal(300))
    assert loss.faults == ("all bots together lost $300.00, the account's daily_loss is $300.00",)
    assert only(*session(A, "-299"), account_loss=Decimal(300)).is_compliant


def limited(run: list[Record], most: str | None) -> list[Record]:
    """Return a run that began with this daily_loss of the account, without an account document for None."""
    return [replace(run[0], data={**run[0].data, "limits": most and {"daily_loss": most}}), *run[1:]]


@pytest.mark.parametrize("now", [None, Decimal(5000)])
def test_a_session_is_judged_by_the_limits_in_force_then_too(now: Decimal | None) -> None:
    """A document that allows more, named when its sessions are over, made them compliant."""
    then = "all bots together lost $300.00, the account's daily_loss was then $300.00"
    assert only(*limited(session(A, "-300"), "300"), account_loss=now).faults == (then,)
    assert only(*limited(session(A, "-299"), "300"), account_loss=now).is_compliant
    assert only(*limited(session(A, "-300"), None), account_loss=now).is_compliant
    tighter = only(*limited(session(A, "-300"), "300"), account_loss=Decimal(200))
    assert tighter.faults == ("all bots together lost $300.00, the account's daily_loss is $200.00",)


@pytest.mark.parametrize(("clock", "is_compliant"), [("11:00", False), ("16:03", True)])
def test_limits_that_were_taken_up_within_a_session_are_in_force_in_it(clock: str, is_compliant: bool) -> None:
    run = limited(session(A, "-300"), "5000")
    reported = {"what": "applied", "specs": run[0].data["specs"], "limits": {"daily_loss": "300"}}
    reload = Record(at(A, clock), Kind.RELOAD, data=reported)
    assert only(*sorted([*run, reload], key=lambda record: record.at)).is_compliant is is_compliant
    next_day = limited(session(B, "-300"), None)
    assert judged(*sorted([*run, reload], key=lambda record: record.at), *next_day)[1].is_compliant


def test_what_the_audit_finds_is_held_against_its_session() -> None:
    """An entry order recorded as filled before it was ever sent, on the second day."""
    records = [*session(A, "25"), *session(B, "25"), *session(C, "25")]
    stray = Record(at(B, "11:00"), Kind.FILL, BOT, "P20", {"ref": "nobody's", "exec_id": "x.01"})
    records.insert(-11, stray)
    tape = journal_index(enumerate(sorted(records, key=lambda record: record.at), 1))
    results = [each for each in audit_tape(tape, None, (), shown=None) if each.number == 3]
    found = judge(read_paper(tape, simulated=False), KEY, audit_faults(tape, results))
    assert [each.is_compliant for each in found] == [True, False, True]
    assert found[1].faults == ("audit, number 3: a fill on nobody's: no such order recorded",)


def test_what_has_no_time_is_held_against_every_session() -> None:
    found = judge(paper([*session(A), *session(B)]), KEY, {("", None): ["audit, number 21: the table differs"]})
    assert [each.is_compliant for each in found] == [False, False]


# ---------------------------------------------------------------- which sessions count


def test_each_world_is_judged_by_itself_and_live_counts_for_neither() -> None:
    records = together(session(A, "1"), session(B, "2", simulated=True), session(C, "4", mode="live"))
    real, simulated = paper(records), paper(records, simulated=True)
    assert [each.date for each in judge(real, KEY, {})] == [A]
    assert [each.date for each in judge(simulated, KEY, {})] == [B]
    assert {kind: sorted(found) for kind, found in real.passed_over.items()} == {"simulated": [B], "live": [C]}
    assert {kind: sorted(found) for kind, found in simulated.passed_over.items()} == {"real": [A], "live": [C]}


def test_a_journal_that_says_nothing_of_its_world_was_simulated_when_its_clock_was() -> None:
    old = session(A, "1", simulated=True)
    reported = {key: value for key, value in old[0].data.items() if key != "simulated"}
    records = [replace(old[0], data=reported), *old[1:]]
    assert judge(paper(records), KEY, {}) == ()


def test_a_simulated_gateway_in_real_time_promotes_for_no_real_money() -> None:
    started, *others = session(A, "1", simulated=True)
    records = [replace(started, data={**started.data, "lockstep": False}), *others]
    assert judge(paper(records), KEY, {}) == ()
    assert [each.date for each in judge(paper(records, simulated=True), KEY, {})] == [A]


def test_another_text_of_the_bot_shows_nothing_of_this_one() -> None:
    found = paper([*session(A, "1", digest="other"), *session(B, "2")])
    assert [each.date for each in judge(found, KEY, {}) if not each.missed] == [B]


def test_what_another_bot_made_shows_nothing_of_this_one() -> None:
    other = entity(at(A, "12:00"), position(A, "-80", id="X", bot="another"))
    found = paper(session(A, "25", other))
    (day,) = judge(found, KEY, {})
    assert (day.profit, day.closed) == (Decimal(25), 1)
    assert [trade.id for trade in closed_trades(found, KEY)] == ["P19"]
    assert only(*session(A, "25", other), account_loss=Decimal(55)).faults == (
        "all bots together lost $55.00, the account's daily_loss is $55.00",
    )


def test_only_what_was_traded_and_is_over_is_a_trade() -> None:
    (leg,) = position(A, "0").legs
    nothing = replace(leg, opened=0, closed=0, entry_cash=Decimal(0), exit_cash=Decimal(0), commissions=Decimal(0))
    flat = position(A, "0", state="exiting", closed_at=None)
    for each in (position(A, "0", legs=(nothing,)), flat, position(A, "0", legs=(replace(leg, opened=2),))):
        found = paper(session(A, None, entity(at(A, "12:00"), each)))
        assert list(closed_trades(found, KEY)) == []
    assert only(*session(A, "0", legs=(nothing,))).closed == 0


def test_what_is_over_and_still_holds_something_counts_at_its_last_mark() -> None:
    half = position(A, "0", legs=(replace(position(A, "0").legs[0], opened=2),))
    held = replace(half, state="open", closed_at=None)
    mark = Record(at(A, "11:59"), Kind.MARK, BOT, half.id, {"profit": "-40"})
    runs = session(A, None, entity(at(A, "10:30"), held), mark, entity(at(A, "12:00"), half))
    assert only(*runs).profit == Decimal(-40)


def test_open_positions_count_at_their_marks() -> None:
    """Marked at -40 on the first day and closed at +25 on the second: -40, then +65."""
    held = position(A, "0", state="open", closed_at=None, legs=(replace(position(A, "0").legs[0], closed=0),))
    mark = Record(at(A, "15:59"), Kind.MARK, BOT, held.id, {"profit": "-40"})
    closed = position(A, "25", closed_at=at(B, "12:00"))
    first = session(A, None, entity(at(A, "10:30"), held), mark)
    found = judged(*first, *session(B, None, entity(at(B, "12:00"), closed)))
    assert [each.profit for each in found] == [Decimal(-40), Decimal(65)]
    assert [each.closed for each in found] == [0, 1]


@pytest.mark.parametrize(("mode", "count"), [("live", 1), ("paper", 0)])
def test_positions_of_paper_are_none_that_a_live_run_could_watch(mode: str, count: int, tmp_path: Path) -> None:
    """A live run that named the store of paper runs was told to watch them by --exits-only."""
    held = position(A, "0", state="open", closed_at=None, legs=(replace(position(A, "0").legs[0], closed=0),))
    journal = SqlJournal(open_store(tmp_path / "s.db"))
    journal.append(together(session(A, None, entity(at(A, "10:30"), held), mode=mode)), durable=True)
    journal.close()
    assert read_live_store(tmp_path / "s.db", "U1", simulated=False).held == count


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        ({"mode": "live"}, ""),
        ({"mode": "live", "simulated": True}, "holds runs at a simulated gateway, this is a real one"),
        ({"mode": "paper"}, "holds runs on paper; live runs have a store of their own"),
        ({"mode": "observe"}, "is the store of runs that observe; live runs have a store of their own"),
    ],
)
def test_a_live_store_is_of_one_account_and_one_world(run: dict[str, Any], problem: str, tmp_path: Path) -> None:
    place = tmp_path / "s.db"
    promoted = Promotion(
        digest="d", account="U1234567", simulated=False, figures=figures_of("50"), paper=("DU1234567",), store="p.db",
        records=1, hash="h",
    )  # fmt: skip
    keep(place, at(A, "08:00"), {BOT: promoted})
    journal = SqlJournal(open_store(place))
    journal.append(session(A, **run), durable=True)
    journal.close()
    assert read_live_store(place, "U1234567", simulated=False).promotions == {BOT: (promoted,)}
    assert read_live_store(place, "U1234567", simulated=False).problem.removeprefix(f"{place} ") == problem
    if not problem:
        other = read_live_store(place, "U7654321", simulated=False).problem
        assert other == f"{place} holds runs of account U1234567, not U7654321"


# ---------------------------------------------------------------- what they come to


def shown(found: Paper) -> Figures:
    trades = tuple(closed_trades(found, KEY))
    return figures(judge(found, KEY, {}), trades, found.alarms_of(BOT))


def figures_of(*made: str | None, faulty: int | None = None) -> Figures:
    runs = []
    for number, (day, each) in enumerate(zip(days(len(made)), made, strict=True)):
        runs.append(session(day, each, *([halt(day, "12:30", "trouble")] if number == faulty else [])))
    found = paper(together(*runs))
    return shown(found)


def test_the_figures_of_a_week() -> None:
    """Four trades of +50, -30, +10 and +30 at a risk of $200, and a day without."""
    found = figures_of("50", "-30", None, "10", "30")
    assert (found.sessions, found.compliant_sessions, found.trades) == (5, 5, 4)
    assert (found.since, found.last) == (days(5)[0], days(5)[4])
    assert (found.net, found.marked) == (Decimal(60), Decimal(60))
    assert found.expectancy == 15
    assert found.expectancy_r == Decimal("0.075")
    assert found.win_rate == Decimal("0.75")
    assert found.sharpe is None


def test_sharpe_is_the_one_formula() -> None:
    """Ten sessions of +30 and ten of -10 (see test_performance)."""
    found = figures_of(*["30", "-10"] * 10)
    assert float(found.sharpe or 0) == pytest.approx(10 / sqrt(8000 / 19) * sqrt(252), abs=1e-4)
    assert found.sharpe == round(Decimal(sharpe([Decimal(30), Decimal(-10)] * 10) or 0), 4)


def test_compliant_sessions_are_those_in_a_row_up_to_the_last() -> None:
    assert figures_of("1", "1", "1", "1", "1", faulty=1).compliant_sessions == 3
    assert figures_of("1", "1", faulty=1).compliant_sessions == 0
    assert figures_of("1", "1", faulty=1).last is None
    left_out = [*session(A, "1"), *session(B, "1", starts="12:00"), *session(C, "1")]
    found = paper(left_out)
    assert shown(found).compliant_sessions == 2


def test_a_trade_without_a_bound_has_no_r() -> None:
    found = paper([*session(A, "20", max_risk=None), *session(B, "50")])
    made = shown(found)
    assert (made.expectancy, made.expectancy_r) == (Decimal(35), Decimal("0.25"))


def test_r_is_of_the_structures_that_were_opened() -> None:
    """Three structures of two contracts each could lose three times $200."""
    (leg,) = position(A, "60").legs
    found = paper(session(A, "60", legs=(replace(leg, ratio=2, opened=6, closed=6),)))
    assert shown(found).expectancy_r == Decimal("0.1")


@pytest.mark.parametrize(
    ("demand", "short"),
    [
        (Demand(Shown.COMPLIANT_SESSIONS, Op.AT_LEAST, Decimal(4)), ""),
        (Demand(Shown.COMPLIANT_SESSIONS, Op.AT_LEAST, Decimal(20)), "16 too few"),
        (Demand(Shown.TRADES, Op.AT_LEAST, Decimal(5)), "1 too few"),
        (Demand(Shown.EXPECTANCY, Op.ABOVE, Decimal(15)), "not more than that"),
        (Demand(Shown.EXPECTANCY, Op.AT_LEAST, Decimal(15)), ""),
        (Demand(Shown.EXPECTANCY, Op.ABOVE, Decimal("20.50")), "$5.50 too little"),
        (Demand(Shown.WIN_RATE, Op.AT_LEAST, Decimal(85)), "10.0 % too little"),
        (Demand(Shown.SHARPE, Op.ABOVE, Decimal(1)), "20 sessions are needed, there are 4"),
    ],
)
def test_demands_say_by_how_much_they_are_missed(demand: Demand, short: str) -> None:
    (found,) = compare(figures_of("50", "-30", "10", "30"), [demand])
    assert found.short == short


@pytest.mark.parametrize(
    ("made", "bound", "said"),
    [(["1"] * 21 + ["-1"], "90", "95.5 %"), (["1", "1", "-1"], "66.67", "66.7 %")],
)
def test_a_win_rate_is_rounded_once(made: list[str], bound: str, said: str) -> None:
    """21 of 22 were 95.4 % here, and 95.5 % in `rulebot summary`."""
    (found,) = compare(figures_of(*made), [Demand(Shown.WIN_RATE, Op.AT_LEAST, Decimal(bound))])
    assert (found.found, found.short) == (said, "")


def test_what_is_missing_is_never_reported_as_nothing() -> None:
    """Told was `66.7 %, at least 66.7 %: 0.0 % too little`."""
    demands = [
        Demand(Shown.WIN_RATE, Op.AT_LEAST, Decimal("66.7")),
        Demand(Shown.EXPECTANCY, Op.AT_LEAST, Decimal("0.335")),
    ]
    found = compare(figures_of("1", "1", "-1"), demands)
    reported = [(each.found, each.demanded, each.short) for each in found]
    assert reported[0] == ("66.67 %", "at least 66.70 %", "0.03 % too little")
    assert reported[1] == ("$0.333", "at least $0.335", "$0.002 too little")


def assigned(level: str | None) -> Figures:
    """Return the figures of a put that brought its $98, and shares at 5900, and of one that made $50 a day later."""
    made = None if level is None else 100 * (Decimal(level) - 5900)
    leg = replace(position(A, "98").legs[0], shares_profit=made or Decimal(0), unpriced=int(made is None))
    found = paper(together(session(A, "98", legs=(leg,)), session(B, "50")))
    return shown(found)


def test_shares_that_an_option_brings_count_at_the_market_then() -> None:
    """At 5893 the put had cost $700 of what it brought: it was won, by the books of the option alone."""
    found = assigned("5893")
    assert (found.trades, found.in_shares, found.net, found.marked) == (2, 1, Decimal(-552), Decimal(-552))
    assert (found.win_rate, found.expectancy) == (Decimal("0.5"), Decimal(-276))


def test_what_shares_were_worth_that_nobody_knows_makes_the_profit_of_all_unknown() -> None:
    found = assigned(None)
    assert (found.unvalued, found.trades) == (1, 2)
    demands = [Demand(shown, Op.AT_LEAST, Decimal(0)) for shown in (Shown.EXPECTANCY, Shown.WIN_RATE, Shown.SHARPE)]
    said = "the settlement price of the shares of 1 trade is not known"
    assert [each.short for each in compare(found, demands)] == [said] * 3


def test_what_was_made_before_commissions_that_are_not_reported_is_no_profit() -> None:
    """A trade that had made $1 before them was won, and its session compliant."""
    unreported = replace(
        position(A, "1").legs[0], commissions=Decimal(0), exit_cash=Decimal(-99), commissions_pending=2
    )
    found = paper(together(session(A, "1", legs=(unreported,)), session(B, "50")))
    first, second = judge(found, KEY, {})
    assert first.missed == "not to be judged yet: the commission of 2 fills of P19 is not reported"
    assert second.is_compliant
    made = shown(found)
    assert (made.compliant_sessions, made.trades, made.outstanding) == (1, 2, 1)
    demands = [Demand(shown, Op.AT_LEAST, Decimal(0)) for shown in (Shown.EXPECTANCY, Shown.WIN_RATE, Shown.SHARPE)]
    assert [each.short for each in compare(made, demands)] == ["the commissions of 1 trade are not reported yet"] * 3


@pytest.mark.parametrize(("most", "short"), [(2, ""), (1, "1 too many"), (0, "2 too many")])
def test_alarms_count_since_the_first_session_of_the_row(most: int, short: str) -> None:
    """One before it ends no row by itself, and is forgotten with the session that does."""
    own = Record(at(B, "11:00"), Kind.ALARM, BOT, data={"text": "the broker refused it"})
    of_all = Record(at(C, "11:00"), Kind.ALARM, data={"text": "the clock is off"})
    of_another = Record(at(C, "11:01"), Kind.ALARM, "another", data={"text": "of that one"})
    before = [Record(at(A, "11:00"), Kind.ALARM, BOT, data={"text": "long ago"}), halt(A, "12:30", "trouble")]
    runs = [session(A, None, *before), session(B, "1", own), session(C, "1", of_all, of_another)]
    found = paper(together(*runs))
    (judgement,) = compare(shown(found), [Demand(Shown.ALARMS, Op.AT_MOST, Decimal(most))])
    assert (judgement.found, judgement.demanded, judgement.short) == ("2", f"at most {most}", short)


@pytest.mark.parametrize("away", ["no connection all day", "only after hours"])
@pytest.mark.parametrize(("bot", "count"), [(BOT, 1), ("", 1), ("another", 0)])
def test_alarms_of_a_day_that_is_no_session_of_the_bot_count(away: str, bot: str, count: int) -> None:
    """Such a day is passed over in the row, and its alarms were with it: `alarms: {at_most: 0}` was met."""
    if away == "only after hours":
        raised = Record(at(B, "18:00"), Kind.ALARM, bot, data={"text": "P19 is on hold"})
        between = session(B, None, raised, starts="17:00", ends="18:05")
    else:
        raised = Record(at(B, "11:00"), Kind.ALARM, bot, data={"text": "the gateway cannot be reached"})
        between = [each for each in session(B, None, raised) if each.kind is not Kind.LINK]
    found = shown(paper(together(session(A, "10"), between, session(C, "5"))))
    assert (found.sessions, found.compliant_sessions, found.alarms) == (2, 2, count)


def test_a_promotion_of_before_alarms_were_counted_shows_nothing_of_them() -> None:
    found = replace(figures_of("50"), alarms=None)
    (judgement,) = compare(found, [Demand(Shown.ALARMS, Op.AT_MOST, Decimal(9))])
    assert judgement.short == "it was promoted before alarms were counted"


def test_a_bot_without_trades_meets_nothing() -> None:
    found = figures_of(None, None)
    demands = [Demand(shown, Op.AT_LEAST, Decimal(0)) for shown in (Shown.EXPECTANCY, Shown.WIN_RATE, Shown.SHARPE)]
    assert all(each.short for each in compare(found, demands))


def test_a_promotion_is_good_for_sessions_not_days() -> None:
    assert valid_until(FIRST, 1).isoformat() == "2026-10-20"
    assert valid_until(FIRST, 5).isoformat() == "2026-10-26"
