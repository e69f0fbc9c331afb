"""Sessions by arrays: what comes of them is what comes of them turn by turn, whatever bot and data chance has made."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from both_ways import FILLS, FIRST, PLAIN, both, by_arrays, calendar, terms, together_and_alone
from past_days import Leaps, PastDays, crossed
from plain_specs import alike_specs, random_spec

from rulebot.adapters.history.session import HistoryDay, SharedSource
from rulebot.backtest.fill_model import NATURAL, RECORDED
from rulebot.backtest.historical_feed import HistoryFeed
from rulebot.model.contract import Underlying
from rulebot.model.errors import InvariantError
from rulebot.model.market import COLUMNS, Board
from rulebot.model.session import session_on
from rulebot.sweep import evaluate as evaluating
from rulebot.sweep.evaluate import evaluate, run_variants
from rulebot.sweep.variant import Variant, program_of, turned
from rulebot.sweep.vectorized import entries as groups
from rulebot.sweep.vectorized.eligibility import unsuited
from rulebot.sweep.vectorized.entry_order import EntryOrder
from rulebot.sweep.vectorized.entry_window import ArrayBot, Numbers
from rulebot.sweep.vectorized.session import ArraySession, SessionResult
from rulebot.sweep.vectorized.session_arrays import ArrayDay


def compare(seeds: range, days: int, source: PastDays, fills: str) -> int:
    """Assert that random specs come to the same, and return how many sessions went by arrays."""
    fast, slow = both([random_spec(seed) for seed in seeds], terms(source, days, fills))
    return same(seeds, fast, slow)


def same(seeds: range, fast: list[Variant], slow: list[Variant]) -> int:
    """Assert that random specs have come to the same, and return how many sessions went by arrays."""
    for seed, one, other in zip(seeds, fast, slow, strict=True):
        assert not one.problem, f"seed {seed}: {one.problem}"
        assert one == other, f"seed {seed}: {random_spec(seed)}"
    assert sum(each.by_arrays for each in slow) == 0
    return sum(each.by_arrays for each in fast)


@pytest.fixture(autouse=True)
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants are judged together with those of their kind, however few they are."""
    monkeypatch.setattr(groups, "FEWEST", 1)


BARE = PLAIN.replace("  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}\n", "").replace(
    "max_loss_per_trade: $5000", "undefined_risk: allow"
)
SETTLED = PLAIN.partition("exits:")[0] + "exits:\n  - at_expiry: settle\nrisk: {max_loss_per_trade: $5000}\n"


@pytest.mark.parametrize(
    ("text", "cash", "strained"),
    [
        (PLAIN, 5_000, 0),
        (PLAIN, 700, 2),
        (SETTLED, 700, 2),
        (BARE, 1_000_000, 0),
        (BARE, 300_000, 2),
    ],
)
def test_sessions_in_which_the_margin_takes_all_are_those_of_turns(
    text: str, cash: int, strained: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep said nothing of margin: of $700 spreads of $1,000 each were sold, and a backtest told that."""
    monkeypatch.setattr(evaluating, "CHECKED", 2)
    asked = replace(terms(PastDays(), 2, "mid"), cash=Decimal(cash))
    for fast, _ in together_and_alone([text, text.replace("delta: 0.10", "delta: 0.12")], asked, monkeypatch):
        assert min(each.by_arrays for each in fast) >= 1
        assert [each.trades for each in fast] == [2, 2]
        assert [each.strained for each in fast] == [strained, strained]


@pytest.mark.parametrize("cents", [0, 1])
def test_what_is_left_free_beside_the_margin_is_reckoned_to_the_cent(cents: int) -> None:
    rich = replace(terms(PastDays(), 1), every_turn=True)
    (part,) = run_variants([(0, ("0",), SETTLED)], rich, (rich.first, rich.last))
    (trade,) = part.trades
    least = Decimal(1_000) - trade.net + Decimal(cents) / 100  # what expired was worth nothing: the net is the credit
    fast, slow = both([SETTLED], replace(rich, every_turn=False, cash=least))
    assert fast == slow
    assert [each.strained for each in fast] == [1 - cents]


def test_sides_that_leave_one_after_the_other_go_by_turns() -> None:
    """What a side has cost counts in the target of the whole trade: arrays know of whole structures alone."""
    condor = PLAIN.replace("  long_put:", "  short_call: {sell: call, strike: {delta: 0.10}}\n  long_put:").replace(
        "order:", "  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}\norder:", 1
    )
    text = condor.replace("exits:\n", "exits:\n  - stop: {cost: 0.6x credit, of: each_side}\n")
    fast, slow = both([text], terms(PastDays(), 4, "mid"))
    assert fast == slow
    assert [each.by_arrays for each in fast] == [0]
    assert fast[0].trades >= 1


@pytest.mark.parametrize("number", range(3))
def test_random_bots_come_to_the_same_by_arrays_and_by_turns(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = range(10 * number, 10 * number + 10)
    texts = [random_spec(seed) for seed in seeds]
    asked = terms(PastDays(strikes=30, seed=number + 1, has_greeks=number != 1), 2, FILLS[number])
    together, slow = both(texts, asked)
    assert same(seeds, together, slow) >= 10
    monkeypatch.setattr(groups, "FEWEST", 1_000)
    assert same(seeds, by_arrays(texts, asked), slow) >= 10


def compare_alike(seeds: Iterable[int], days: int, source: PastDays, fills: str) -> tuple[int, int]:
    """Assert that bots that differ in numbers alone come to the same; return their trades, and sessions by arrays."""
    texts = [text for seed in seeds for text in alike_specs(seed, 5)]
    fast, slow = both(texts, terms(source, days, fills))
    for text, one, other in zip(texts, fast, slow, strict=True):
        assert not one.problem
        assert one == other, text
    return sum(each.trades for each in slow), sum(each.by_arrays for each in fast)


@pytest.mark.parametrize("fills", FILLS)
def test_bots_that_differ_in_numbers_come_to_the_same(fills: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone: list[ArrayBot] = []
    live = ArraySession.live
    monkeypatch.setattr(ArraySession, "live", lambda self, bot: alone.append(bot) or live(self, bot))
    trades, by_arrays = compare_alike((1, 7, 15, 22, 38), 1, PastDays(strikes=40, seed=7), fills)
    assert trades >= 15
    assert by_arrays >= 20
    assert len(alone) <= 10


AT_ONCE = """rulebot: 1
name: plain
about: Enters again as soon as an entry has ended unfilled.
underlying: SPX
entry:
  window: {from: "09:40", to: "10:20"}
  when: [{vix: {between: [15, 17]}}]{EVERY}
  again: {after: [unfilled], wait: {WAIT}}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.25}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 5s, tries: 4, then: cancel}
exits:
  - time: "14:30"
  - spot: {below: 5850}
risk: {max_loss_per_trade: $700000}
"""


@pytest.mark.parametrize("wait", ["0s", "1s", "20s"])
@pytest.mark.parametrize("every", ["", "\n  every: 40s", "\n  every: 7m"])
def test_after_an_entry_that_ended_unfilled_the_next_look_is_the_same(every: str, wait: str) -> None:
    """With a grid and no wait arrays looked where the grid before the entry had its next point."""
    text = AT_ONCE.replace("{EVERY}", every).replace("{WAIT}", wait)
    (fast,), (slow,) = both([text], terms(PastDays(seed=20), 5))
    assert (fast.by_arrays, fast.trades > 0) == (5, True)
    assert fast == slow


def test_an_exit_by_the_most_a_trade_can_lose_is_judged_of_each_price_that_was_entered_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Variants that held the same options at other prices had the exits of the first of them."""
    text = PLAIN.replace("delta: 0.10", "otm: 20 pts, round_to: 25").replace(
        "target: {profit: 50%, at: natural}", "max_risk: {below: $725}"
    )
    texts = [text.replace("10:00", begin) for begin in ("10:00", "10:02", "10:06")]
    for fast, _ in together_and_alone(texts, terms(PastDays(seed=4), 4), monkeypatch):
        assert all(each.by_arrays >= 3 for each in fast)


@pytest.mark.parametrize(
    ("entry", "leaving"),
    [
        ("mid, step: 0.05, wait: 13s, tries: 5", "natural, wait: 5s, tries: 1, then: market"),
        ("natural, wait: 10s, tries: 1", "mid, wait: 13s, tries: 4, then: market"),
    ],
    ids=["the entry", "the exit"],
)
def test_at_the_open_an_order_begins_as_late_as_its_legs_are_streamed(
    entry: str, leaving: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken to begin at once, and to be done before the next quotes."""
    text = PLAIN.replace("10:00", "09:30").replace("natural, wait: 10s, tries: 1", entry)
    text = text.replace("delta: 0.10", "delta: 0.3, round_to: 50").replace("put", "call").replace("below", "above")
    text = text.replace(
        "  - target: {profit: 50%, at: natural}", f"  - vix: {{above: 1}}\n    order: {{start: {leaving}}}"
    )
    for (fast,), _ in together_and_alone([text], terms(Leaps(seed=1), 6), monkeypatch):
        assert fast.trades >= 2


LADDERED = """rulebot: 1
name: plain
about: Sells a put spread by a long ladder.
underlying: SPX
entry: {window: {from: "09:40", to: "12:00"}}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.25}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 8, then: cancel}
exits:
  - time: "14:30"
risk: {max_loss_per_trade: $813}
"""


@pytest.mark.parametrize("fills", FILLS)
def test_the_least_commission_is_one_of_the_order_in_what_a_trade_may_lose(
    fills: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By arrays each leg had one of its own, and the ladder ended a step too soon."""
    for (fast,), _ in together_and_alone([LADDERED], terms(PastDays(seed=20), 6, fills), monkeypatch, (1, 2)):
        assert fast.by_arrays >= 3


@pytest.mark.parametrize("fills", FILLS)
@pytest.mark.parametrize(
    "rule",
    [
        "{name: e, expr: credit > 0.19 * (strike(short_put) - strike(long_put))}",
        "{name: e, not: {credit: {below: $187}}}",
        "{credit: {at_least: 0.04x expected_move}}",
        "{max_risk: {at_most: $813}}",
    ],
)
def test_a_bound_on_the_price_that_is_no_number_is_the_same_by_arrays_and_by_turns(rule: str, fills: str) -> None:
    text = LADDERED.replace("$813", "$5000").replace("order:", f"  require: [{rule}]\norder:")
    (fast,), (slow,) = both([text], terms(PastDays(seed=20), 6, fills))
    assert fast.by_arrays >= 3
    assert fast == slow


@pytest.mark.parametrize(
    ("strike", "begin", "day"),
    [("delta: {at_most: 0.16}", "11:15", date(2026, 9, 3)), ("otm: 20 pts, round: away", "12:00", date(2026, 9, 11))],
    ids=["moved by two strikes in a minute", "past all that are listed"],
)
def test_legs_that_are_not_streamed_yet_are_left_to_turns(strike: str, begin: str, day: date) -> None:
    """By arrays they were entered at the first point of the grid, where the engine had no quote of one."""
    window = f'window: {{from: "{begin}", to: "{begin[:4]}9"}}\n  every: 7m'
    text = PLAIN.replace('window: {from: "10:00", to: "10:30"}', window).replace("delta: 0.10", strike)
    asked = replace(terms(Leaps(seed=12), 1), first=day, last=day)
    (fast,), (slow,) = both([text.replace("$5000", "$500000")], asked)
    assert fast == slow
    assert fast.by_arrays == 0


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", range(6))
def test_many_bots_that_differ_in_numbers_come_to_the_same(number: int) -> None:
    source = PastDays(seed=20 + number, has_greeks=number % 2 == 0)
    assert compare_alike(range(100 * number, 100 * number + 25), 5, source, FILLS[number % 3])[1] > 200


@pytest.mark.long
def test_random_bots_on_more_days() -> None:
    assert compare(range(100, 125), 4, PastDays(seed=9), "natural") > 50


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fills", FILLS)
def test_a_hundred_random_bots_come_to_the_same_on_twenty_days(fills: str) -> None:
    assert compare(range(1000, 1100), 20, PastDays(seed=4), fills) > 1000


# ---------------------------------------------------------------- data that is not plain


def without_bids(day: HistoryDay) -> HistoryDay:
    """Nobody bids for options below a dollar."""
    return replace(day, bid=np.where(day.ask < 1.0, np.nan, day.bid))


def without_bids_for_wings(day: HistoryDay) -> HistoryDay:
    """Nobody bids for options far out of the money: they can be bought, and not sold."""
    assert day.delta is not None
    return replace(day, bid=np.where(np.abs(day.delta) < 0.12, np.nan, day.bid))


def without_data(day: HistoryDay) -> HistoryDay:
    """Some options have no delta in some minutes."""
    assert day.delta is not None
    delta = day.delta.copy()
    delta[::5, ::4] = np.nan
    return replace(day, delta=delta)


def tangled(day: HistoryDay) -> HistoryDay:
    """Deltas do not fall outward."""
    assert day.delta is not None
    chance = np.random.default_rng(5)
    return replace(day, delta=np.clip(day.delta * chance.uniform(0.8, 1.2, day.delta.shape), -1, 1))


def holed(day: HistoryDay) -> HistoryDay:
    """Ten minutes are missing, and a level here and there."""
    kept = np.r_[0:40, 50 : len(day.times)]
    columns = {name: getattr(day, name)[kept] for name in ("bid", "ask", "iv", "delta", "gamma", "theta", "vega")}
    levels = {symbol: level[kept].copy() for symbol, level in day.levels.items()}
    levels["VIX"][60:62] = np.nan
    return replace(day, times=day.times[kept], levels=levels, **columns)


def thin(day: HistoryDay) -> HistoryDay:
    """Less is quoted than would be traded on one side or the other, now and then."""
    sizes = np.full(day.bid.shape, 5.0)
    sizes[::3] = 0.0
    return replace(day, bid_size=sizes, ask_size=np.roll(sizes, 1, axis=0))


@pytest.mark.parametrize("change", [without_bids, crossed, without_data, tangled, holed, thin])
def test_data_that_is_not_plain_changes_nothing(change: Callable[[HistoryDay], HistoryDay]) -> None:
    compare(range(40, 47), 1, PastDays(strikes=30, seed=3, change=change), "natural")


@pytest.mark.parametrize("fills", ["natural", "mid"])
def test_wings_that_nobody_bids_for_are_bought_by_arrays_as_by_turns(fills: str) -> None:
    source = PastDays(strikes=30, seed=3, change=without_bids_for_wings)
    assert compare(range(40, 46), 1, source, fills) > 0


def test_strikes_by_tangled_deltas_are_left_to_turns() -> None:
    """What is streamed there depends on where it began: a choice among all strikes would often be another one."""
    texts = [PLAIN.replace("delta: 0.10", f"delta: {delta}") for delta in (0.05, 0.10, 0.16, 0.20, 0.30)]
    fast, slow = both(texts, terms(PastDays(strikes=40, seed=6, change=tangled), 2))
    assert fast == slow
    assert sum(each.trades for each in slow) > 0


def test_an_exit_that_must_be_confirmed_acts_later_than_one_below_it() -> None:
    exits = """exits:
  - cost: {at: natural, at_least: 0.5x credit}
    name: stop
    confirm: 3 quotes
    order: {start: mid, step: 0.05, wait: 5s, tries: 3, then: market}
  - vix: {above: 1}
    order: market
"""
    text = PLAIN.replace("exits:\n", exits)
    fast, slow = both([text], terms(PastDays(), 2, "mid"))
    assert fast == slow
    assert fast[0].by_arrays == fast[0].trades == 2


@pytest.mark.parametrize(
    ("again", "every"),
    [
        ("", "45s"),
        ("{after: [unfilled]}", ""),
        ("{after: [unfilled], wait: 20s}", "45s"),
        ("{after: [any], wait: 0s, at_most: 2}", "25s"),
    ],
)
@pytest.mark.parametrize("fills", FILLS)
def test_an_order_works_on_while_the_market_moves(
    fills: str, again: str, every: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[EntryOrder] = []
    work = EntryOrder.work
    monkeypatch.setattr(EntryOrder, "work", lambda order, *reported: sent.append(order) or work(order, *reported))
    reported = (f"\n  {name}: {value}" for name, value in (("every", every), ("again", again)) if value)
    more = "".join(reported)
    texts = [
        PLAIN.replace("10:30", "10:40").replace('"10:40"}', f'"10:40"}}{more}').replace("natural, wait: 10s", ladder)
        for ladder in ("mid, step: 0.05, wait: 25s", "mid, step: 0.05, wait: 40s")
    ]
    texts = [text.replace("tries: 1", "tries: 3").replace("delta: 0.10", "delta: 0.25") for text in texts]
    texts = [f"{text}exit_order: {{start: natural, wait: 10s, tries: 1, then: market}}\n" for text in texts]
    fast, slow = both(texts, terms(PastDays(strikes=40, seed=8), 4, fills))
    assert fast == slow
    assert sum(each.by_arrays for each in fast) >= 7
    assert sum(each.trades for each in slow) >= 4
    assert len(sent) >= (0 if fills == "mid" else 13 if again and fills == "natural" else 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda day: day, ""),
        (holed, "its data has gaps"),
        (lambda day: replace(day, levels={**day.levels, "VIX": np.full(len(day.times), np.nan)}), "a level is missing"),
        (lambda day: replace(day, times=day.times[0] + np.arange(len(day.times)) * 5.0), "its data is dense"),
        (lambda day: replace(day, quoted_at=day.times - 30.0), "its levels come oftener than its quotes"),
    ],
)
def test_a_day_says_why_it_does_not_go_by_arrays(change: Callable[[HistoryDay], HistoryDay], says: str) -> None:
    source, session = PastDays(change=change), session_on(FIRST)
    assert session is not None
    assert ArrayDay(source.day(FIRST), session, source, calendar()).problem == says


def test_a_board_is_that_of_a_market_at_this_instant() -> None:
    for has_greeks in (True, False):
        change, session = thin if has_greeks else without_bids, session_on(FIRST)
        source = PastDays(change=change, has_greeks=has_greeks)
        assert session is not None
        found, board = ArrayDay(source.day(FIRST), session, source, calendar()), Board()
        market = HistoryFeed(source, board).begin(source.day(FIRST), session)
        market.watch([Underlying("SPX"), Underlying("VIX"), *source.day(FIRST).options])
        for place in (7, 200, 0, 389):
            market.write(place)
            still = found.board_at(place)
            assert {*still.rows} == {*board.rows}
            assert still.alive_at == board.alive_at
            for name in COLUMNS:
                reported = [getattr(still, name)[still.rows[contract]] for contract in board.rows]
                wanted = [getattr(board, name)[row] for row in board.rows.values()]
                assert np.array_equal(reported, wanted, equal_nan=True), name


# ---------------------------------------------------------------- which bots


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("entry:", "entry:", ""),
        ('"10:30"}', '"10:30"}\n  every: 45s\n  again: {after: [unfilled]}', ""),
        ('"10:30"}', '"10:30"}\n  per_day: 2\n  again: {after: [any]}', "several entries a day"),
        ('"10:30"}', '"10:30"}\n  try: once', "`try: once`"),
        (
            "{dte: 0}",
            "{dte: {at_least: 7}}",
            "its sessions are not apart, for short_put, which may be of a later day",
        ),
        ('"10:30"}', '"10:30"}\n  per_week: 2', "its sessions are not apart, for a cap of the week"),
        (
            '"10:30"}',
            '"10:30"}\n  when: [{net_liquidation: {above: $5000}}]',
            "its sessions are not apart, for a condition on net_liquidation",
        ),
        ("tries: 1,", "tries: 2, pause: 1m,", "entry has an order with `pause`"),
        ("at: natural}", "at: natural}\n    close: 50%", "target closes a part"),
        ("strike: {delta: 0.10}", "strike: {premium: 1.00}", "short_put is chosen by `premium`"),
        ("strike: {delta: 0.10}", "strike: {expected_move: 1x}", ""),
        ('"10:30"}', '"10:30"}\n  when: [{expected_move: {above: 5 pts}}]', ""),
        (
            '"10:30"}',
            '"10:30"}\n  when: [{expected_move: {method: iv, above: 5 pts}}]',
            "expected_move reads the expected move by implied volatility",
        ),
        ("strike: {delta: 0.10}", "strike: {delta: 0.45}", "short_put has a delta above 0.4"),
        ('time: "15:45"', 'time: "15:45"\n  - time_in_trade: {at_least: 90m}', "time_in_trade reads time_in_trade"),
        (
            'time: "15:45"',
            'time: "15:45"\n  - position_theta: {below: -$5}',
            "position_theta reads position_theta",
        ),
        ('time: "15:45"', 'time: "15:45"\n  - leg_gamma: {above: 0.05}', "leg_gamma reads leg_gamma"),
        ('time: "15:45"', 'time: "15:45"\n  - move: {since: open, beyond: 1%}', ""),
        ('time: "15:45"', 'time: "15:45"\n  - move: {since: entry, beyond: 1%}', "move counts from the entry"),
    ],
)
def test_a_bot_says_why_it_does_not_go_by_arrays(was: str, now: str, says: str) -> None:
    assert was in PLAIN
    program = program_of(PLAIN.replace(was, now), terms(PastDays(), 1))
    found = unsuited(program, NATURAL)
    assert found.startswith(says)
    assert bool(found) == bool(says)


def test_the_shipped_same_day_condor_goes_by_arrays() -> None:
    spec = Path(__file__).parents[3] / "specs" / "dte0_condor.yaml"
    program = program_of(spec.read_text(), replace(terms(PastDays(), 1), file=str(spec)))
    assert unsuited(program, NATURAL) == ""


def test_recorded_fills_and_too_few_lines_go_by_turns() -> None:
    program = program_of(PLAIN, terms(PastDays(), 1))
    assert unsuited(program, RECORDED) == "recorded fills"
    assert unsuited(program, NATURAL, (("SPY", 100),)) == "shares that the account begins with"
    assert unsuited(replace(program, line_limit=30), NATURAL) == "30 market data lines, which may not do"


# ---------------------------------------------------------------- the check


def test_a_difference_is_never_reported_as_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first session of each task is lived through turn by turn as well."""
    reported = SessionResult(Decimal("1.23"), Decimal("1.23"))
    monkeypatch.setattr(groups.Groups, "live", lambda self, session: {0: reported})
    with pytest.raises(InvariantError, match=r"2026-09-01, x: by arrays the account changes by 1\.23, turn by turn by"):
        evaluate([(0, ("x",), PLAIN)], terms(PastDays(), 1))


def test_a_plain_session_is_clear() -> None:
    asked, source = terms(PastDays(), 1), SharedSource(PastDays())
    session = session_on(FIRST)
    assert session is not None
    day = ArraySession(ArrayDay(source.day(FIRST), session, source, calendar()), NATURAL)
    found = day.live(ArrayBot(program_of(PLAIN, asked), Numbers()))
    (variant,) = evaluate([(0, ("x",), PLAIN)], replace(asked, every_turn=True))
    assert found is not None
    assert found.net is not None
    assert float(found.change) == variant.profits[0] != 0.0


def test_ladders_that_outlast_the_quotes_are_left_to_turns() -> None:
    slow_ladder = PLAIN.replace("start: natural, wait: 10s, tries: 1", "start: mid, step: 0.05, wait: 30s, tries: 6")
    fast, slow = both([PLAIN, slow_ladder], terms(PastDays(), 3))
    assert fast == slow
    assert fast[1].by_arrays < fast[0].by_arrays
    assert fast[0].by_arrays + sum(number for _, number in fast[0].unclear) == 3
    assert fast[1].by_arrays + sum(number for _, number in fast[1].unclear) == 3
    assert turned(fast)["target: its order works on while the market moves"] == 2


def test_a_sweep_reports_why_sessions_went_turn_by_turn() -> None:
    between = PLAIN.replace('time: "15:45"', 'time: "15:45:30"')
    twice = PLAIN.replace('"10:30"}', '"10:30"}\n  per_day: 2\n  again: {after: [any]}')
    source = PastDays(change=lambda day: holed(day) if day.date.day == 2 else day)
    fast = by_arrays([PLAIN, between, twice], terms(source, 3))
    assert [each.by_arrays for each in fast] == [2, 0, 0]
    assert turned(fast) == {
        "several entries a day": 3,
        "its data has gaps": 2,
        "15:45:30, a time of the spec, is between two instants of the data": 2,
    }
    assert turned(evaluate([(0, ("x",), twice)], replace(terms(PastDays(), 1), every_turn=True))) == {}
