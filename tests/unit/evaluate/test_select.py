"""Strikes: by delta, expected move, spot and offsets; and which of them are worth a data line."""

from datetime import date
from decimal import Decimal
from math import nan

import pytest
from hand_desk import DAY, Desk, bot_of, call, put, text_of

from rulebot.core.state.state import MarketData, Schedule, State
from rulebot.evaluate.strikes import StructureSelection, select
from rulebot.evaluate.watch import SubscriptionRequest, entry_aims, entry_subscription, watch_list
from rulebot.measure.listings import expiry_on
from rulebot.measure.view import View
from rulebot.model.contract import Option, Underlying
from rulebot.spec.nouns import DteRule, Expiry


def view_of(desk: Desk) -> View:
    state = desk.state
    return View(now=desk.now.timestamp(), session=state.schedule.session, board=desk.board, facts=state.market.facts)


def chosen(
    strike: str,
    side: str = "put",
    desk: Desk | None = None,
    avoid: frozenset[Option] = frozenset(),
    taken: frozenset[tuple[Option, int]] = frozenset(),
    *,
    explain: bool = False,
) -> StructureSelection:
    """Return the selection of one sold leg with this strike."""
    legs = f"\n  expiry: {{dte: 0}}\n  short: {{sell: {side}, strike: {strike}}}\n"
    exits = '\n  - time: "15:45"\n'
    plan = bot_of(text_of(legs=legs, exits=exits, risk="{undefined_risk: allow}"))
    desk = desk or Desk()
    return select(plan.plan.legs, view_of(desk), plan.expected_move, avoid, taken, explain=explain)


def strike_of(selection: StructureSelection) -> int | str:
    return int(selection.legs[0].option.strike) if selection.is_complete else selection.missing or selection.refused


def deltas(values: dict[int, float], side: str = "put") -> Desk:
    """Return a desk on which only these strikes have a delta."""
    desk = Desk()
    for contract, row in desk.board.rows.items():
        if isinstance(contract, Option):
            desk.board.delta[row] = nan
    for strike, delta in values.items():
        option = put(strike) if side == "put" else call(strike)
        desk.board.delta[desk.board.rows[option]] = delta
    return desk


# ---------------------------------------------------------------- by delta


def test_the_nearest_of_the_two_that_enclose_it() -> None:
    assert strike_of(chosen("{delta: 0.10}", desk=deltas({5950: -0.12, 5945: -0.095, 5940: -0.08}))) == 5945


@pytest.mark.parametrize(
    ("side", "values", "expected"),
    [
        ("put", {5950: -0.12, 5945: -0.08}, 5945),
        ("call", {6050: 0.12, 6055: 0.08}, 6055),
    ],
)
def test_a_tie_goes_away_from_the_money(side: str, values: dict[int, float], expected: int) -> None:
    assert strike_of(chosen("{delta: 0.10}", side, deltas(values, side))) == expected


def test_unknown_when_a_strike_between_is_not_streamed() -> None:
    found = chosen("{delta: 0.10}", desk=deltas({5950: -0.12, 5940: -0.08}))
    assert found.missing == "short: strikes around |delta| nearest 0.1 are not quoted"


def test_unknown_when_nothing_encloses_it() -> None:
    assert chosen("{delta: 0.10}", desk=deltas({5950: -0.20, 5945: -0.15})).missing


def test_stale_greeks_choose_nothing() -> None:
    desk = deltas({5950: -0.12, 5945: -0.095})
    desk.board.model_at[desk.board.rows[put(5945)]] -= 301.0
    assert chosen("{delta: 0.10}", desk=desk).missing


@pytest.mark.parametrize("broken", [0.0, -0.02])
def test_a_delta_out_of_the_money_is_not_found_in_the_money(broken: float) -> None:
    """One option in the money has a delta that cannot be: what is asked for is seen from the money outward."""
    desk = deltas({6000: -0.5, 5995: -0.4, 5950: -0.12, 5945: -0.09})
    for strike, delta in ((6010, -0.62), (6005, broken)):
        desk.quote(put(strike), 20.0, 20.2, delta)
    desk.freshen()
    assert strike_of(chosen("{delta: 0.10}", desk=desk)) == 5945
    assert strike_of(chosen("{delta: 0.62}", desk=desk)) == 6010


def test_round_to_limits_the_strikes() -> None:
    desk = deltas({5960: -0.16, 5955: -0.14, 5950: -0.12, 5945: -0.10, 5940: -0.08})
    assert strike_of(chosen("{delta: 0.10, round_to: 20}", desk=desk)) in (5940,)


def test_a_preferred_multiple_is_taken_where_one_is_near() -> None:
    around = {5945: -0.12, 5940: -0.102, 5935: -0.095}
    assert strike_of(chosen("{delta: 0.10}", desk=deltas(around))) == 5940
    assert strike_of(chosen("{delta: 0.10, prefer_round_to: 25}", desk=deltas(around))) == 5950
    assert strike_of(chosen("{delta: 0.10, prefer_round_to: 15}", desk=deltas(around))) == 5940, "5940 is one"
    assert strike_of(chosen("{delta: 0.10, prefer_round_to: 7}", desk=deltas(around))) == 5940, "none is near"


def test_a_preferred_multiple_keeps_its_distance_from_spot() -> None:
    around = {5950: -0.11, 5945: -0.095}
    strike = "{delta: 0.10, min_otm_distance: 60 pts, prefer_round_to: 25}"
    assert strike_of(chosen(strike, desk=deltas(around))) == 5925


@pytest.mark.parametrize(
    ("strike", "away"),
    [
        ("{delta: 0.10, prefer_round_to: 100}", 0.04),
        ("{delta: 0.10, min_otm_distance: 90 pts}", None),
        ("{otm: 60 pts, prefer_round_to: 100}", 40.0),
    ],
)
def test_the_strike_that_is_taken_is_shown_with_its_quote(strike: str, away: float | None) -> None:
    desk = deltas({5950: -0.12, 5945: -0.102, 5940: -0.098, 5935: -0.09, 5900: -0.06})
    found = chosen(strike, desk=desk, explain=True)
    (choice,) = found.choices
    shown = {each.strike: each for each in choice.candidates}
    assert choice.option is not None
    taken = shown[choice.option.strike]
    assert choice.candidates[-1] == taken, "it is none of the nearest"
    row = desk.board.rows[choice.option]
    assert (taken.bid, taken.ask) == (desk.board.bid[row], desk.board.ask[row])
    assert taken.distance == (None if away is None else pytest.approx(away))
    assert len(shown) == len(choice.candidates) == 4


def test_min_otm_distance_moves_out() -> None:
    desk = deltas({5985: -0.12, 5980: -0.095})
    assert strike_of(chosen("{delta: 0.10, min_otm_distance: 30 pts}", desk=desk)) == 5970


@pytest.mark.parametrize(("within", "is_found"), [("0.01", True), ("0.004", False)])
def test_a_delta_outside_within_is_refused(within: str, is_found: bool) -> None:
    found = chosen(f"{{delta: 0.10, within: {within}}}", desk=deltas({5950: -0.12, 5945: -0.095}))
    assert found.is_complete is is_found
    assert is_found or "not within" in found.refused


FALLING = {5950: -0.12, 5945: -0.095, 5940: -0.08, 5935: -0.06}


@pytest.mark.parametrize(
    ("strike", "held", "found"),
    [
        ("{delta: 0.10}", {}, 5945),
        ("{delta: 0.10}", {5945: -1}, 5940),
        ("{delta: 0.10}", {5945: -1, 5940: -1}, 5935),
        ("{delta: 0.10}", {5945: 1}, 5945),
        ("{delta: {at_most: 0.10}}", {5945: -1}, 5940),
        ("{delta: {at_least: 0.09}}", {5945: -1}, "free of what is held"),
        ("{delta: 0.10, within: 0.01}", {5945: -1}, "is not within 0.01"),
        ("{delta: 0.10, min_strike: 5945}", {5945: -1}, "free of what is held"),
        ("{otm: 55 pts}", {5945: -1}, 5940),
    ],
)
def test_a_contract_that_is_held_the_other_way_round_is_shifted_from_outward(
    strike: str, held: dict[int, int], found: int | str
) -> None:
    taken = frozenset((put(each), sign) for each, sign in held.items())
    seen = strike_of(chosen(strike, desk=deltas(FALLING), taken=taken))
    assert seen == found or (isinstance(found, str) and found in str(seen))


def test_a_contract_to_avoid_is_passed_over() -> None:
    desk = deltas({5955: -0.14, 5950: -0.12, 5945: -0.10, 5940: -0.08})
    assert strike_of(chosen("{delta: 0.10}", desk=desk, avoid=frozenset([put(5945)]))) == 5940


# ---------------------------------------------------------------- by level


@pytest.mark.parametrize(
    ("spot", "strike", "expected"),
    [
        (6001.0, "{at: spot}", 6000),
        (6002.5, "{at: spot}", 6000),  # a tie: away from the money, and a put's money is above
        (6004.0, "{at: spot}", 6005),
        (6012.0, "{at: spot, round_to: 25}", 6000),
    ],
)
def test_at_spot_takes_the_nearest_strike(spot: float, strike: str, expected: int) -> None:
    desk = Desk()
    desk.level("SPX", spot)
    assert strike_of(chosen(strike, desk=desk)) == expected


def test_at_spot_of_a_call_ties_upward() -> None:
    desk = Desk()
    desk.level("SPX", 6002.5)
    assert strike_of(chosen("{at: spot}", "call", desk)) == 6005


def test_a_strike_is_placed_by_the_expected_move() -> None:
    """The straddle of 20.1 each is worth 40.2: one move is 40.2 x sqrt(pi / 2) = 50.4 points."""
    assert strike_of(chosen("{expected_move: 1.2x}")) == 5940
    assert strike_of(chosen("{expected_move: 1.2x}", "call")) == 6060


def test_no_expected_move_is_unknown() -> None:
    desk = Desk()
    desk.without_data(put(6000), call(6000))
    found = chosen("{expected_move: 1.2x}", desk=desk)
    assert found.missing.endswith("unknown")


def test_no_spot_is_unknown() -> None:
    desk = Desk()
    desk.level("SPX", nan)
    assert chosen("{at: spot}", desk=desk).missing == "SPX has no price"


def test_no_listing_is_unknown() -> None:
    desk = Desk()
    market = MarketData(board=desk.board)
    desk.state = State(schedule=Schedule(session=desk.state.schedule.session), market=market)
    assert "not listed yet" in chosen("{at: spot}", desk=desk).missing


def wings(by: str) -> StructureSelection:
    legs = f"\n  expiry: {{dte: 0}}\n  short: {{sell: put, strike: {{at: spot}}}}\n  long: {{buy: put, strike: {by}}}\n"
    plan = bot_of(text_of(legs=legs))
    return select(plan.plan.legs, view_of(Desk()), plan.expected_move)


@pytest.mark.parametrize(
    ("by", "expected"), [("{below: short, by: 10 pts}", 5990), ("{below: short, by: 12 pts}", 5990)]
)
def test_a_wing_is_placed_by_its_distance_from_the_short(by: str, expected: int) -> None:
    assert int(wings(by).legs[1].option.strike) == expected


def test_an_offset_never_falls_on_the_leg_itself() -> None:
    assert int(wings("{below: short, by: 1 pts}").legs[1].option.strike) == 5995


# ---------------------------------------------------------------- expiries


@pytest.mark.parametrize(
    ("rule", "days", "expected"),
    [
        (DteRule.EXACT, (0,), date(2026, 11, 18)),
        (DteRule.EXACT, (1,), None),
        (DteRule.AT_LEAST, (1,), date(2026, 11, 20)),
        (DteRule.AT_MOST, (5,), date(2026, 11, 18)),
        (DteRule.BETWEEN, (3, 30), date(2026, 12, 18)),
        (DteRule.NEAREST, (40,), date(2026, 12, 18)),
        (DteRule.NEAREST, (1,), date(2026, 11, 18)),  # a tie: the earlier
    ],
)
def test_an_expiry_is_chosen_by_days_to_expiry(rule: DteRule, days: tuple[int, ...], expected: date | None) -> None:
    listed = (date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 20), date(2026, 12, 18))
    assert expiry_on(Expiry(rule=rule, days=days, path=()), listed, DAY) == expected


# ---------------------------------------------------------------- what to stream


def request(desk: Desk) -> SubscriptionRequest:
    plan = desk.program.bots["spread"].plan
    return entry_subscription(plan, entry_aims(plan, view_of(desk)), desk.state.market.facts)


def test_a_wish_holds_what_can_be_chosen_next() -> None:
    """The strikes on both sides of the delta, the wing of each, and the money for the expected move."""
    need = set(request(Desk()).need)
    assert {put(5950), put(5945), put(5940), put(5935), put(5930), call(6000), put(6000)} <= need
    assert len(need) <= 16


def test_a_wish_without_spot_is_empty() -> None:
    desk = Desk()
    desk.level("SPX", nan)
    assert request(desk) == SubscriptionRequest((), frozenset())


def test_a_wish_without_any_delta_guesses_from_vix() -> None:
    desk = deltas({})
    need = [option.strike for option in request(desk).need if isinstance(option, Option) and option.strike < 6000]
    assert need
    assert min(need) > Decimal(5800)


def test_a_delta_of_next_to_nothing_leads_nearer_to_the_money() -> None:
    """Late on the last day a strike far out has 1e-20, which nothing is left of beside 1: that was a traceback."""
    need = [
        option.strike for option in request(deltas({5945: -1e-20, 5940: -1e-21})).need if isinstance(option, Option)
    ]
    assert any(5945 < strike < 6000 for strike in need)


SPX, A, B, C = Underlying("SPX"), put(5950), put(5945), put(5940)


def test_the_list_stays_while_it_covers_every_need() -> None:
    now = (SPX, A, B, C)
    assert watch_list([SubscriptionRequest((A, B), frozenset([A, B, C]))], [SPX], now) is now


def test_what_nobody_would_keep_is_dropped_and_pinned_comes_first() -> None:
    assert watch_list([SubscriptionRequest((B,), frozenset([B]))], [SPX], (A, SPX)) == (SPX, B)


def test_what_may_stay_stays_last() -> None:
    assert watch_list([SubscriptionRequest((B,), frozenset([A, B]))], [SPX], (A, SPX)) == (SPX, B, A)


@pytest.mark.parametrize(("side", "beside"), [("put", "below"), ("call", "above")])
@pytest.mark.parametrize(
    "strike",
    [
        "{otm: 30 pts, round_to: 50}",
        "{otm: {at_least: 30 pts}, round_to: 100}",
        "{at: spot, round_to: 50}",
        "{otm: 30 pts, round_to: 50, min_otm_distance: 30 pts}",
        "{otm: 30 pts, round_to: 50, max_strike: 5940}",
        "{otm: 30 pts, round_to: 50, min_strike: 6010}",
    ],
)
def test_a_leg_beside_one_on_a_wide_grid_is_streamed(strike: str, side: str, beside: str) -> None:
    short, long = f"{{sell: {side}, strike: {strike}}}", f"{{buy: {side}, strike: {{{beside}: short, by: 10 pts}}}}"
    legs = f"\n  expiry: {{dte: 0}}\n  short: {short}\n  long: {long}\n"
    bot = bot_of(text_of(legs=legs, exits='\n  - time: "15:45"\n', risk="{undefined_risk: allow}"))
    for spot in range(5950, 6050, 7):
        desk = Desk()
        desk.level("SPX", float(spot))
        view = view_of(desk)
        found = select(bot.plan.legs, view, bot.expected_move)
        request = entry_subscription(bot.plan, entry_aims(bot.plan, view), desk.state.market.facts)
        assert found.is_complete
        assert {leg.option for leg in found.legs} <= set(request.need)
