"""Strikes by a premium, a side's credit or a distance; bounds, rounding, edges and widths in order of preference."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import nan
from statistics import NormalDist

import pytest
from hand_desk import DAY, Desk, bot_of, call, put, text_of

from rulebot.evaluate.strikes import StructureSelection, select
from rulebot.evaluate.watch import GUESSES, entry_aims, entry_subscription, normal_premium
from rulebot.measure.listings import expiry_on, nearest_listed
from rulebot.measure.view import View
from rulebot.model.contract import Option, Right, Underlying
from rulebot.spec.nouns import DteRule, Expiry, StrikeBy


def view_of(desk: Desk) -> View:
    return View(
        now=desk.now.timestamp(), session=desk.state.schedule.session, board=desk.board, facts=desk.state.market.facts
    )


def chosen(
    *legs: str,
    desk: Desk | None = None,
    spot: float = 6000.0,
    dte: int = 0,
    taken: frozenset[tuple[Option, int]] = frozenset(),
) -> StructureSelection:
    """Return the selection of legs written as `sell put {delta: 0.10}`, called one, two, and so on."""
    lines = ["", f"  expiry: {{dte: {dte}}}"]
    for name, leg in zip(("one", "two", "three", "four"), legs, strict=False):
        side, right, strike = leg.split(" ", 2)
        lines.append(f"  {name}: {{{side}: {right}, strike: {strike}}}")
    text = text_of(legs="\n".join(lines), exits='\n  - time: "15:45"', risk="{undefined_risk: allow}")
    bot = bot_of(text)
    desk = desk or Desk()
    desk.level("SPX", spot)
    return select(bot.plan.legs, view_of(desk), bot.expected_move, taken=taken)


def strikes(selection: StructureSelection) -> list[int] | str:
    found = [int(leg.option.strike) for leg in selection.legs]
    return found if selection.is_complete else selection.missing or selection.refused


def one(strike: str, side: str = "put", spot: float = 6000.0) -> int | str:
    found = strikes(chosen(f"sell {side} {strike}", spot=spot))
    return found if isinstance(found, str) else found[0]


@pytest.mark.parametrize(
    ("strike", "expected"),
    [
        ("{delta: 0.10}", 5945),  # 0.104 at 5945, 0.090 at 5940
        ("{delta: {at_most: 0.10}}", 5940),
        ("{delta: {at_least: 0.10}}", 5945),
        ("{delta: 0.10, round: away}", 5940),
        ("{delta: 0.091, round: toward}", 5945),
        ("{premium: 1.00}", 5920),  # 1.10 at 5925, 0.90 at 5920: a tie goes away from the money
        ("{premium: {at_most: 1.00}}", 5920),
        ("{premium: {at_least: 1.00}}", 5925),
        ("{premium: {at_most: 1.10}}", 5925),
        ("{premium: 0.95, round: toward}", 5925),
        ("{premium: 1.05, round: away}", 5920),
        ("{otm: 32 pts}", 5970),
        ("{otm: {at_least: 32 pts}}", 5965),
        ("{otm: {at_most: 34 pts}}", 5970),
        ("{otm: 1%}", 5940),
        ("{otm: {at_least: 1.01%}}", 5935),
        ("{expected_move: {at_least: 1.2x}}", 5935),  # 60.5 points
        ("{expected_move: {at_most: 1.2x}}", 5940),
    ],
)
def test_a_number_is_the_nearest_and_a_bound_the_nearest_that_respects_it(strike: str, expected: int) -> None:
    assert one(strike) == expected


@pytest.mark.parametrize(
    ("strike", "side", "expected"),
    [
        ("{otm: {at_least: 32 pts}}", "call", 6035),
        ("{premium: {at_least: 1.00}}", "call", 6075),
        ("{delta: {at_most: 0.10}}", "call", 6060),
    ],
)
def test_of_a_call_outward_is_up(strike: str, side: str, expected: int) -> None:
    assert one(strike, side) == expected


@pytest.mark.parametrize(
    ("round_", "spot", "expected"), [("away", 6004.0, 6000), ("toward", 6001.0, 6005), ("nearest", 6001.0, 6000)]
)
def test_round_at_spot(round_: str, spot: float, expected: int) -> None:
    assert one(f"{{at: spot, round: {round_}}}", spot=spot) == expected


def test_round_toward_gives_way_to_the_distance_from_spot() -> None:
    assert one("{otm: 34 pts, round: toward}") == 5970
    assert one("{otm: 34 pts, round: toward, min_otm_distance: 33 pts}") == 5965


def test_the_distance_from_spot_moves_only_what_is_nearer() -> None:
    assert one("{otm: 90 pts, min_otm_distance: 10 pts}") == 5910
    assert one("{otm: 10 pts, min_otm_distance: 90 pts}", "call") == 6090


def test_a_preferred_grid_leads_no_leg_past_the_one_that_it_counts_from() -> None:
    wing = "buy put {below: one, by: 10 pts, prefer_round_to: 50}"
    assert strikes(chosen("sell put {otm: 50 pts}", wing)) == [5950, 5940]


def test_a_bound_does_not_give_way() -> None:
    assert one("{otm: {at_most: 31 pts}}") == 5970
    assert "qualifies" in str(one("{otm: {at_most: 31 pts}, min_otm_distance: 33 pts}"))
    assert "far enough out" in str(one("{delta: {at_least: 0.10}, min_otm_distance: 60 pts}"))
    assert one("{delta: {at_most: 0.10}, min_otm_distance: 65 pts}") == 5935


def test_a_preferred_grid_keeps_the_bound() -> None:
    assert one("{delta: 0.092, prefer_round_to: 50}") == 5950, "5940 is within half of 50"
    assert one("{delta: {at_most: 0.10}, prefer_round_to: 50}") == 5940, "5950 has a delta of 0.12"


@pytest.mark.parametrize(
    ("strike", "expected"),
    [
        ("{otm: {at_least: 30 pts}, round_to: 100}", 5900),
        ("{otm: 30 pts, round_to: 100, round: away}", 5900),
        ("{at: spot, min_otm_distance: 30 pts, round_to: 100}", 5900),
        ("{otm: 10 pts, max_strike: 5880, round_to: 100}", 5800),
        ("{delta: 0.10, min_otm_distance: 120 pts, round_to: 100}", 5800),
        ("{otm: 35 pts, round_to: 250}", 6000),
    ],
)
def test_multiples_are_found_however_many_strikes_lie_between_them(strike: str, expected: int) -> None:
    assert one(strike) == expected


def test_a_preferred_grid_is_asked_after_round() -> None:
    assert one("{otm: 28 pts, round: away}") == 5970
    assert one("{otm: 28 pts, round: away, prefer_round_to: 25}") == 5975
    assert one("{otm: {at_least: 28 pts}, prefer_round_to: 25}") == 5970, "a bound is kept"
    assert one("{otm: 70 pts, prefer_round_to: 200}") == 6000, "within half of 200"


def test_the_strike_of_a_leg_that_is_too_near_to_spot_is_no_trade() -> None:
    assert strikes(chosen("sell put {otm: 10 pts}", "buy call {at: one, min_otm_distance: 5 pts}")) == (
        "two: no listed strike qualifies for strike of one"
    )
    assert strikes(chosen("sell call {otm: 10 pts}", "buy put {at: one, min_otm_distance: 5 pts}")) == (
        "two: no listed strike qualifies for strike of one"
    )


def test_an_edge_moves_no_leg_off_the_strike_of_another() -> None:
    assert strikes(chosen("sell put {otm: 10 pts}", "buy call {at: one, max_strike: 5990}")) == [5990, 5990]
    assert strikes(chosen("sell put {otm: 10 pts}", "buy call {at: one, min_strike: 6000}")) == (
        "two: no listed strike that qualifies is min_strike 6000.00"
    )


def test_an_edge_leads_back_from_a_preferred_strike_as_far_as_the_bound_allows() -> None:
    assert one("{otm: {at_least: 38 pts}, prefer_round_to: 25}") == 5950
    assert one("{otm: {at_least: 38 pts}, prefer_round_to: 25, min_strike: 5955}") == 5955
    assert one("{delta: {at_most: 0.15}, prefer_round_to: 30, min_strike: 5950}") == 5950
    assert "no listed" in str(one("{otm: {at_least: 38 pts}, prefer_round_to: 25, min_strike: 5965}"))


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ("min_strike: 5950", 5950),
        ("min_strike: 5951", 5955),
        ("max_strike: 5930", 5930),
        ("max_strike: 5931", 5930),
        ("min_strike: 5900, max_strike: 6000", 5945),
        ("min_strike: 5951, max_strike: 5955", 5955),
        (
            "min_strike: 5951, max_strike: 5954",
            "one: no listed strike that qualifies is min_strike 5951.00 and max_strike 5954.00",
        ),
        ("max_strike: spot", 5945),
        ("min_strike: 5950, round_to: 20", 5960),
    ],
)
def test_min_strike_and_max_strike_limit_the_strikes(edges: str, expected: int | str) -> None:
    assert one(f"{{delta: 0.10, {edges}}}") == expected


def test_an_edge_that_breaks_what_was_asked_is_no_trade() -> None:
    assert one("{delta: {at_most: 0.10}, min_strike: 5950}") == (
        "one: no listed strike that qualifies is min_strike 5950.00"
    )
    assert "min_strike" in str(one("{delta: 0.10, min_strike: 5980, min_otm_distance: 30 pts}"))


def test_within_is_judged_last() -> None:
    assert one("{delta: 0.10, min_strike: 5950, within: 0.03}") == 5950
    assert one("{delta: 0.10, min_strike: 5960, within: 0.03}") == "one: delta 0.159 is not within 0.03"
    assert one("{premium: 1.00, within: 0.05}") == "one: premium 0.900 is not within 0.05"
    assert one("{otm: 1.03%, within: 0.05%}") == 5940
    assert "too far" in str(one("{otm: 1.03%, within: 0.01%}"))


def test_the_strike_of_another_leg_as_an_edge() -> None:
    legs = ("sell put {delta: 0.10}", "sell put {premium: 1.00, min_strike: strike(three)}", "buy put {delta: 0.07}")
    found = {leg.name: int(leg.option.strike) for leg in chosen(*legs[:1], legs[1].replace("three", "one")).legs}
    assert found == {}, "it would be the contract of the other leg"
    assert strikes(chosen(*legs)) == "two and three would be the same contract, SPXW 2026-11-18 5930P"
    apart = chosen(legs[0], "buy put {premium: 1.00, max_strike: strike(one)}")
    assert strikes(apart) == [5945, 5920]


def test_a_strike_without_a_bid_is_worth_half_its_ask_once_nobody_bids() -> None:
    desk = Desk()
    desk.quote(put(5920), nan, 0.95)
    assert "not quoted" in str(strikes(chosen("sell put {premium: {at_most: 1.00}}", desk=desk))), "no bid came yet"
    desk.board.bid_size[desk.board.rows[put(5920)]] = 0.0
    assert strikes(chosen("sell put {premium: {at_most: 1.00}}", desk=desk)) == [5920]


def test_a_held_strike_that_is_not_listed_is_no_trade() -> None:
    bot = bot_of(text_of())
    short, *others = bot.plan.legs
    for target, found in ((5940, True), (5943, False)):
        held = replace(short, strike=replace(short.strike, by=StrikeBy.HELD, target=Decimal(target)))
        selection = select((held, *others), view_of(Desk()), bot.expected_move)
        assert selection.is_complete is found


def test_an_unknown_level_is_missing() -> None:
    desk = Desk()
    desk.level("SPX", nan)
    assert chosen("sell put {delta: 0.10, max_strike: spot}", desk=desk, spot=nan).missing


# ---------------------------------------------------------------- the credit of a side


def side(credit: str, long: str = "{below: one, by: 10 pts}", desk: Desk | None = None) -> list[int] | str:
    return strikes(chosen(f"sell put {{side_credit: {credit}}}", f"buy put {long}", desk=desk))


def test_side_credit_is_of_the_short_and_its_long() -> None:
    """1.90 less 1.30 at 5940/5930, 2.30 less 1.60 at 5945/5935, 2.80 less 1.90 at 5950/5940."""
    assert side("0.70") == [5945, 5935]
    assert side("0.80") == [5945, 5935], "a tie goes away from the money"
    assert side("{at_least: 0.80}") == [5950, 5940]
    assert side("{at_most: 0.80}") == [5945, 5935]


def test_side_credit_counts_the_long_of_its_own_side() -> None:
    puts = "sell put {otm: 50 pts}", "buy put {below: one, by: 30 pts}"
    calls = "sell call {side_credit: 0.70}", "buy call {above: three, by: 10 pts}"
    assert strikes(chosen(*puts, *calls)) == [5950, 5920, 6055, 6065]


def test_side_credit_is_unknown_where_its_long_is_not_quoted() -> None:
    desk = Desk()
    desk.without_data(put(5935))
    assert "not quoted" in str(side("0.65", desk=desk))


def test_side_credit_takes_the_width_that_its_long_takes() -> None:
    assert side("0.70", "{below: one, by: [11 pts, 10 pts]}") == [5945, 5935]


# ---------------------------------------------------------------- widths


def wing(by: str) -> list[int] | str:
    return strikes(chosen("sell put {at: spot}", f"buy put {{below: one, {by}}}"))


def test_the_first_width_that_is_listed() -> None:
    assert wing("by: [15 pts, 10 pts]") == [6000, 5985]
    assert wing("by: [12 pts, 10 pts]") == [6000, 5990]
    assert wing("by: [13 pts, 25 pts], within: 2 pts") == [6000, 5985]
    assert wing("by: [12 pts, 13 pts]") == "two: no strike is listed 12 or 13 points below one"


def test_a_width_at_which_a_strike_is_held_is_not_reported_as_none_listed() -> None:
    legs = "sell put {at: spot}", "buy put {below: one, by: [15 pts, 10 pts]}"
    held = frozenset((put(strike), 1) for strike in (5985, 5990))
    assert strikes(chosen(*legs, taken=frozenset([(put(5985), 1)]))) == [6000, 5990]
    words = "two: no strike 15 or 10 points below one is listed and free of what is held the other way round"
    assert strikes(chosen(*legs, taken=held)) == words


# ---------------------------------------------------------------- expiries


LISTED = tuple(date(2026, *day) for day in ((11, 18), (11, 19), (11, 20), (12, 11), (12, 17), (12, 18), (12, 24)))


@pytest.mark.parametrize(
    ("rule", "days", "extra", "expected"),
    [
        (DteRule.AT_LEAST, (1,), {"is_latest": True}, date(2026, 12, 24)),
        (DteRule.AT_MOST, (5,), {"is_latest": True}, date(2026, 11, 20)),
        (DteRule.BETWEEN, (3, 30), {"is_latest": True}, date(2026, 12, 18)),
        (DteRule.NEAREST, (25,), {"is_monthly": True}, date(2026, 12, 18)),
        (DteRule.AT_LEAST, (0,), {"is_monthly": True}, date(2026, 11, 20)),
        (DteRule.EXACT, (0,), {"is_monthly": True}, None),
        (DteRule.AT_LEAST, (10,), {"is_monthly": True, "trading_class": "SPX"}, date(2026, 12, 17)),
        (DteRule.BETWEEN, (20, 29), {"is_monthly": True}, None),
    ],
)
def test_latest_monthly_and_class_choose_the_expiry(
    rule: DteRule, days: tuple[int, ...], extra: dict[str, bool | str], expected: date | None
) -> None:
    found = Expiry(rule=rule, days=days, path=(), **extra)  # type: ignore[arg-type]
    assert expiry_on(found, LISTED, DAY) == expected


def test_a_monthly_expiry_before_a_holiday() -> None:
    """2025-04-18 was Good Friday and 2026-06-19 is Juneteenth, both third Fridays."""
    for closed, last in ((date(2025, 4, 18), date(2025, 4, 17)), (date(2026, 6, 19), date(2026, 6, 18))):
        rule = Expiry(rule=DteRule.AT_LEAST, days=(0,), is_monthly=True, path=())
        week = tuple(last.replace(day=last.day + away) for away in (-3, -2, -1, 0))
        assert expiry_on(rule, (*week, closed), last.replace(day=1)) == last


@pytest.mark.parametrize(
    ("rule", "days", "extra", "said"),
    [
        (DteRule.EXACT, (10,), {}, "2026-11-20 (2 days) and 2026-12-11 (23 days)"),
        (DteRule.AT_LEAST, (300,), {}, "2026-12-24 (36 days)"),
        (DteRule.AT_MOST, (1,), {"is_monthly": True}, "2026-11-20 (2 days)"),
        (DteRule.BETWEEN, (20, 29), {"is_monthly": True}, "2026-11-20 (2 days) and 2026-12-18 (30 days)"),
    ],
)
def test_what_is_listed_around_what_no_expiry_matches(
    rule: DteRule, days: tuple[int, ...], extra: dict[str, bool], said: str
) -> None:
    found = Expiry(rule=rule, days=days, path=(), **extra)  # type: ignore[arg-type]
    assert nearest_listed(found, LISTED, DAY) == said


def test_a_leg_without_an_expiry_says_which_are_listed() -> None:
    found = strikes(chosen("sell put {at: spot}", dte=45))
    assert found == "no SPXW expiry matches; nearest listed: 2026-11-18 (0 days) and 2027-02-19 (93 days)"


# ---------------------------------------------------------------- what is streamed meanwhile


def test_every_selector_has_a_guess() -> None:
    assert GUESSES.keys() == set(StrikeBy) - {StrikeBy.SHARES}


def test_the_normal_premium_is_the_deviation_at_the_money_and_the_distance_far_in() -> None:
    """At the money it is the deviation / sqrt(2 pi); far in it is the distance; a straddle is worth the mean move."""
    assert normal_premium(0.0, 50.0) == pytest.approx(19.947, abs=1e-3)
    assert normal_premium(-500.0, 50.0) == pytest.approx(500.0)
    assert normal_premium(50.0, 50.0) == pytest.approx(50.0 * 0.0833155, abs=1e-3)


@pytest.mark.parametrize("strike", ["{premium: 1.00}", "{otm: 75 pts}", "{side_credit: 0.40}", "{delta: 0.06}"])
def test_a_guess_leads_to_the_strikes_that_are_needed(strike: str) -> None:
    """From no quotes but those at the money, each wish is streamed in turn until the legs can be chosen."""
    legs = f"\n  expiry: {{dte: 0}}\n  one: {{sell: put, strike: {strike}}}\n"
    legs += "  two: {buy: put, strike: {below: one, by: 5 pts}}\n"
    bot = bot_of(text_of(legs=legs))
    full, desk = Desk(), Desk()
    wanted = select(bot.plan.legs, view_of(full), bot.expected_move)
    rows = {option: row for option, row in full.board.rows.items() if isinstance(option, Option)}
    desk.without_data(*(option for option in rows if abs(option.strike - 6000) > 5))
    for _ in range(10):
        view = view_of(desk)
        found = select(bot.plan.legs, view, bot.expected_move)
        if found.is_complete:
            break
        for option in entry_subscription(bot.plan, entry_aims(bot.plan, view), desk.state.market.facts).need:
            if isinstance(option, Option) and (row := rows.get(option)) is not None:
                board = full.board
                desk.quote(option, board.bid[row], board.ask[row], board.delta[row])
    assert [leg.option.strike for leg in found.legs] == [leg.option.strike for leg in wanted.legs]
    assert Decimal(5900) <= found.legs[0].option.strike <= Decimal(5950)


@pytest.mark.parametrize(("side", "back"), [("call", "below"), ("put", "above")])
def test_the_last_strike_is_wished_for_where_a_level_lies_past_all(side: str, back: str) -> None:
    """Of a level past the highest one the wish began a strike too far, and what counts from it was not streamed."""
    legs = f"\n  expiry: {{dte: 0}}\n  one: {{buy: {side}, strike: {{otm: 900 pts}}}}\n"
    legs += f"  two: {{sell: {side}, strike: {{{back}: one, by: 20 pts}}}}\n"
    bot, desk = bot_of(text_of(legs=legs)), Desk()
    view = view_of(desk)
    wanted = select(bot.plan.legs, view, bot.expected_move)
    assert wanted.is_complete
    need = entry_subscription(bot.plan, entry_aims(bot.plan, view), desk.state.market.facts).need
    assert {leg.option for leg in wanted.legs} <= {*need}


@pytest.mark.parametrize(
    "strike",
    [
        "{at: spot, min_otm_distance: 40 pts}",
        "{otm: 10 pts, min_otm_distance: 40 pts}",
        "{delta: 0.30, min_otm_distance: 60 pts}",
        "{delta: 0.30, round_to: 25}",
        "{delta: 0.10, round_to: 25, round: away}",
        "{delta: {at_most: 0.12}, round_to: 25}",
        "{delta: 0.10, prefer_round_to: 25}",
        "{premium: 1.00, min_otm_distance: 90 pts}",
    ],
)
def test_what_is_wished_for_holds_the_legs_that_will_be_taken(strike: str) -> None:
    lead_to_all(f"  one: {{sell: put, strike: {strike}}}\n  two: {{buy: put, strike: {{below: one, by: 20 pts}}}}\n")


def test_what_is_wished_for_leads_to_a_side_credit_beside_a_leg_at_its_strike() -> None:
    legs = "  one: {sell: call, strike: {side_credit: 0.70}}\n  two: {sell: put, strike: {at: one}}\n"
    legs += "  three: {buy: call, strike: {above: one, by: 10 pts}}\n"
    lead_to_all(legs + "  four: {buy: put, strike: {below: two, by: 10 pts}}\n", keeps=True)


def lead_to_all(legs: str, *, keeps: bool = False) -> None:
    """Only what the last wish needed is streamed: it comes to hold all legs, with those that count from another.

    keeps: what was streamed already stays as far as a wish would keep it, as the engine has it.
    """
    bot = bot_of(text_of(legs=f"\n  expiry: {{dte: 0}}\n{legs}"))
    full = Desk()
    wanted = select(bot.plan.legs, view_of(full), bot.expected_move)
    assert wanted.is_complete
    options = {option for option in full.board.rows if isinstance(option, Option)}
    streamed = {option for option in options if abs(option.strike - 6000) <= 5}
    for _ in range(12):
        desk = Desk()
        desk.without_data(*(options - streamed))
        view = view_of(desk)
        found = select(bot.plan.legs, view, bot.expected_move)
        if found.is_complete and {leg.option for leg in found.legs} <= streamed:
            break
        request = entry_subscription(bot.plan, entry_aims(bot.plan, view), desk.state.market.facts)
        kept = streamed & request.keep if keeps else set()
        streamed = {option for option in (*request.need, *kept) if isinstance(option, Option)}
    assert found.is_complete
    assert [leg.option for leg in found.legs] == [leg.option for leg in wanted.legs]
    assert {leg.option for leg in found.legs} <= streamed


def test_a_grid_of_its_own_needs_no_vix_to_begin_with() -> None:
    """The straddle at the money tells about how far to look, though none of its strikes is on the leg's grid."""
    legs = "\n  expiry: {dte: 0}\n  one: {buy: put, strike: {delta: 0.10, round_to: 35}}\n"
    bot, desk = bot_of(text_of(legs=legs, exits='\n  - time: "15:45"\n')), Desk()
    others = [each for each in desk.board.rows if isinstance(each, Option) and each.strike != 6000]
    desk.without_data(*others)
    for option in others:
        desk.board.delta[desk.board.rows[option]] = nan
    desk.board.last[desk.board.rows[Underlying("VIX")]] = nan
    (aim,) = entry_aims(bot.plan, view_of(desk))
    assert aim is not None
    assert aim.centre is not None


def test_a_leg_in_the_money_is_not_looked_for_among_those_out_of_it() -> None:
    """Only options out of the money stream, as a bot beside it or a skew wants them: the guess stays at the money."""
    bot = bot_of(
        text_of(legs="\n  expiry: {dte: 0}\n  one: {buy: call, strike: {delta: 0.60}}\n", exits='\n  - time: "15:45"')
    )
    desk = Desk()
    calls = [each for each in desk.board.rows if isinstance(each, Option) and each.right is Right.CALL]
    desk.without_data(*(option for option in calls if option.strike < 6005))
    (aim,) = entry_aims(bot.plan, view_of(desk))
    assert aim is not None
    assert aim.centre is not None
    assert aim.money - 4 <= aim.centre <= aim.money, "a quarter of a day's move in the money"


def test_the_first_guess_counts_what_is_left_of_a_session_as_so_much_of_a_trading_day() -> None:
    """Half an hour after the open, VIX 16: a day moves SPX by 1 %, so a delta of 0.10 lies some 75 points away."""
    legs = "\n  expiry: {dte: 0}\n  one: {buy: put, strike: {delta: 0.10}}\n"
    bot, desk = bot_of(text_of(legs=legs, exits='\n  - time: "15:45"')), Desk()
    for option in [each for each in desk.board.rows if isinstance(each, Option)]:
        desk.without_data(option)
        desk.board.delta[desk.board.rows[option]] = nan
    (aim,) = entry_aims(bot.plan, view_of(desk))
    assert aim is not None
    assert aim.centre is not None
    assert 13 <= aim.money - aim.centre <= 16


@pytest.mark.parametrize(("known", "target"), [(range(0, 25, 5), "0.05"), (range(70, 95, 5), "0.25")])
def test_a_delta_beyond_those_that_are_known_is_looked_for_where_a_normal_curve_has_it(
    known: range, target: str
) -> None:
    """Not a few strikes further each time, whose quotes have to come before the next guess."""
    legs = f"\n  expiry: {{dte: 0}}\n  one: {{buy: call, strike: {{delta: {target}}}}}\n"
    bot, desk = bot_of(text_of(legs=legs, exits='\n  - time: "15:45"')), Desk()
    for away in range(0, 105, 5):
        curve = 1 - NormalDist(0, 50).cdf(away)
        desk.quote(call(6000 + away), 1.0, 1.1, curve if away in known else nan)
        if away not in known:
            desk.board.delta[desk.board.rows[call(6000 + away)]] = nan
    (aim,) = entry_aims(bot.plan, view_of(desk))
    assert aim is not None
    assert aim.centre is not None
    found = 5 * (aim.centre - aim.money)
    assert abs(found - NormalDist(0, 50).inv_cdf(1 - float(target))) <= 5


@pytest.mark.parametrize(
    ("strike", "words"),
    [
        ("{otm: 1 pts}", "strike 1 point below spot 6000.00: 5999.00"),
        ("{otm: {at_least: 20 pts}}", "strike at least 20 points below spot 6000.00: 5980.00"),
        ("{expected_move: 1x}", "strike at 1 expected move below spot"),
        ("{expected_move: {at_most: 0.5x}}", "strike at most 0.5 expected moves below spot"),
    ],
)
def test_what_was_asked_is_said_in_words(strike: str, words: str) -> None:
    (found,) = chosen(f"sell put {strike}").choices
    assert found.asked.startswith(words)


def test_a_wing_says_how_far_from_its_leg_it_was_asked() -> None:
    _, wing = chosen("sell put {otm: 20 pts}", "buy put {below: one, by: 1 pts}").choices
    assert wing.asked == "1 point below one 5980"
