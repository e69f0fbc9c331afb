"""Rows of a scan from what was judged and measured: which alternative, whether all holds, in which place."""

from datetime import date, time
from decimal import Decimal
from pathlib import Path

import pytest
from scan_rows import row, scan_of

from rulebot.cli.past.scan import next_lines, scan_lines, trade_text, value_text
from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import load_all_bots
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.reading import AtLeast, UnknownValue
from rulebot.measure.view import LegView
from rulebot.model.contract import Option, Right
from rulebot.model.errors import MisuseError
from rulebot.model.session import at_exchange_time, session_from
from rulebot.order.price import NetQuote
from rulebot.preview.candidate import Candidate, JudgedCandidate
from rulebot.scan.scan import hours_notes
from rulebot.scan.scan_row import MEASURES, MeasuredStructure, ScanRow, calls, holding, rows_of, widened

ROOT = Path(__file__).parents[3]


def bot_of(name: str) -> CompiledBot:
    return load_all_bots([str(ROOT / name)], {}, None).bots[Path(name).stem]


RANKED = bot_of("examples/by_category.yaml")
CHOOSING = bot_of("examples/universe.yaml")
SYMBOLS = [member.symbol for member in RANKED.members]


def judged(bot: CompiledBot, *results: Evaluation, place: str = "when") -> tuple[JudgedCandidate, ...]:
    return tuple(
        JudgedCandidate(rule, evaluation) for rule, evaluation in zip(getattr(bot, place), results, strict=False)
    )


def selected(bot: CompiledBot) -> StructureSelection:
    legs = [
        LegView(leg.name, Option(bot.symbol, bot.symbol, EXPIRY, Decimal(strike), Right.PUT), -1, leg.sign, 1)
        for leg, strike in zip(bot.plan.legs, (100, 95), strict=True)
    ]
    return StructureSelection(tuple(legs), ())


EXPIRY = date(2026, 11, 13)


def candidate(whole: CompiledBot, symbol: str, *results: Evaluation, alternative: str = "") -> Candidate:
    """Return a candidate whose legs were chosen and priced, and whose `when` said this."""
    bot = whole.on(symbol).taking(alternative)
    found = Candidate(bot, whole)
    found.when = judged(whole.on(symbol), *results)
    found.selection, found.quote = selected(bot), NetQuote(1.05, 1.0)
    return found


def measured(rank: float | None = None, **numbers: float) -> MeasuredStructure:
    known = UnknownValue("rv is 0") if rank is None else rank
    return MeasuredStructure(numbers=dict(numbers), start=1.05, quantity=1, commission=Decimal("2.00"), rank=known)


TRUE, FALSE, UNKNOWN = Evaluation(True), Evaluation(False, -0.02, -0.01), Evaluation(None, missing="no calendar")


# ---------------------------------------------------------------- whether all holds


def test_a_candidate_whose_rules_all_hold_holds() -> None:
    assert holding(candidate(RANKED, "XLE", TRUE, TRUE), measured()).truth is True


def test_a_false_one_decides_before_an_unknown_one_and_says_by_how_much() -> None:
    found = holding(candidate(RANKED, "XLE", UNKNOWN, FALSE), measured())
    assert (found.truth, found.short) == (False, 1.0)
    assert found.why == "move -2.0%, above -1%: 1.0% too little"


def test_an_unknown_one_is_said_when_none_is_false() -> None:
    found = holding(candidate(RANKED, "XLE", UNKNOWN, TRUE), measured())
    assert (found.truth, found.why) == (None, "unknown: no_event no calendar")


def test_the_first_that_fails_is_said_and_the_others_are_counted() -> None:
    one = candidate(RANKED, "XLE", TRUE, FALSE)
    one.refused = "quantity: none fits"
    assert holding(one, measured()).why.endswith("too little; and 1 more")


def test_without_legs_or_a_price_it_does_not_hold() -> None:
    one = candidate(RANKED, "XLE", TRUE, TRUE)
    one.selection = StructureSelection((), (), refused="no strike below 5")
    assert holding(one, measured()) == (False, "no legs: no strike below 5", None)
    one.selection = StructureSelection((), (), missing="strikes are not quoted")
    assert holding(one, measured()) == (None, "no legs: strikes are not quoted", None)
    one.selection, one.quote = selected(one.bot), NetQuote(None, None, "short_put: no bid")
    assert holding(one, measured()) == (None, "no price: short_put: no bid", None)


def test_what_it_could_lose_is_held_against_the_limit_of_the_spec() -> None:
    one = candidate(RANKED, "XLE", TRUE, TRUE)
    assert one.bot.plan.risk.max_loss_per_trade == Decimal(500)
    fits = measured()  # 5 points less 1.05 is $395, and $4.20 of commissions
    assert holding(one, fits).truth is True
    two = measured()
    two.quantity = 2
    found = holding(one, two)
    assert found.why == "could lose $798.40, max_loss_per_trade is $500.00"
    assert found.short == pytest.approx(298.40 / 500)


def test_a_halt_that_holds_keeps_out() -> None:
    bot = bot_of("specs/put_lite.yaml")
    one = Candidate(bot, bot)
    one.selection, one.quote = StructureSelection((), (), missing="nothing yet"), None
    one.halts = judged(bot, Evaluation(True, 5.0, 3.0), place="halts")
    assert holding(one, MeasuredStructure()).why.startswith("it would halt for the day: ")
    one.halts = judged(bot, Evaluation(False, 1.0, 3.0), place="halts")
    assert holding(one, MeasuredStructure()).why == "no legs: nothing yet"


# ---------------------------------------------------------------- the order of rows


def ranked(*values: float | None, sort: str = "", **numbers: tuple[float, ...]) -> list[ScanRow]:
    found = [
        (
            candidate(RANKED, symbol, TRUE, TRUE),
            measured(value, **{name: each[place] for name, each in numbers.items()}),
        )
        for place, (symbol, value) in enumerate(zip(SYMBOLS, values, strict=False))
    ]
    return rows_of(RANKED, found, sort)


def test_the_rank_of_the_spec_orders_and_takes_as_many_as_it_says() -> None:
    rows = ranked(1.0, 3.0, None, 2.0, 1.5)
    assert [each.value for each in rows] == [3.0, 2.0, 1.5, 1.0, None]
    assert [each.place for each in rows] == [1, 2, 3, 4, 5]
    assert [each.taken for each in rows] == [True, True, True, False, False]
    assert rows[-1].missing == {"rank": "rv is 0"}
    assert {each.by for each in rows} == {"iv_over_rv"}


def test_a_bound_is_no_value() -> None:
    one = measured(1.0)
    one.rank = AtLeast(2.0, "long_put: no ask")
    (found,) = rows_of(RANKED, [(candidate(RANKED, "XLE", TRUE, TRUE), one)])
    assert (found.value, found.taken, found.missing) == (None, False, {"rank": "long_put: no ask"})


def test_what_does_not_hold_stands_below_and_is_not_taken() -> None:
    pairs = [
        (candidate(RANKED, SYMBOLS[0], TRUE, FALSE), measured(9.0)),
        (candidate(RANKED, SYMBOLS[1], TRUE, TRUE), measured(1.0)),
    ]
    best, other = rows_of(RANKED, pairs)
    assert (best.symbol, best.place, best.taken) == (SYMBOLS[1], 1, True)
    assert (other.symbol, other.place, other.taken, other.value) == (SYMBOLS[0], 0, False, 9.0)


def test_one_whose_legs_do_not_fit_keeps_its_place_as_it_does_for_the_bot() -> None:
    """The scan said that the next one would be entered, which no bot of that spec does."""
    pairs = [(candidate(RANKED, symbol, TRUE, TRUE), measured(9.0 - place)) for place, symbol in enumerate(SYMBOLS)]
    for found, _ in pairs[:2]:
        found.refused = "quantity: none fits"
    rows = {each.symbol: each for each in rows_of(RANKED, pairs)}
    assert RANKED.plan.ranking is not None
    assert RANKED.plan.ranking.count == 3
    assert [rows[symbol].holds for symbol in SYMBOLS[:4]] == [False, False, True, True]
    assert [rows[symbol].taken for symbol in SYMBOLS] == [False, False, True, *[False] * (len(SYMBOLS) - 3)]


def test_another_measure_orders_the_lowest_first_where_less_is_better() -> None:
    wide = ranked(1.0, 2.0, 3.0, sort="quote_width", quote_width=(0.05, 0.20, 0.10))
    assert [each.value for each in wide] == [0.05, 0.10, 0.20]
    rich = ranked(1.0, 2.0, 3.0, sort="iv", iv=(20.0, 40.0, 30.0))
    assert [each.value for each in rich] == [40.0, 30.0, 20.0]


def choices(first: Evaluation, second: Evaluation | None = None) -> str:
    """Return which alternative a symbol is shown with."""
    pairs = []
    for alternative, evaluation in (("dear", first), ("cheap", second)):
        one = candidate(CHOOSING, "SPY", alternative=alternative)
        choice = next(each for each in CHOOSING.on("SPY").choices if each.name == alternative)
        one.asked = tuple(JudgedCandidate(rule, evaluation) for rule in choice.when if evaluation is not None)
        pairs.append((one, measured(1.0)))
    (found,) = rows_of(CHOOSING, pairs)
    return found.alternative


def test_the_alternative_that_would_be_taken_is_shown_and_unknown_ends_the_choice() -> None:
    assert choices(TRUE) == "dear"
    assert choices(FALSE) == "cheap"
    assert choices(UNKNOWN) == "dear"


# ---------------------------------------------------------------- what is measured


def test_every_measure_is_asked_of_all_legs_of_the_first_underlying() -> None:
    found = calls(RANKED.on("XLE").plan, "rv")
    assert tuple(found) == (*MEASURES, "rv")
    assert found["volume"].argument("of") == ("short_put", "long_put")
    assert found["crowding"].argument("of") == "XLE"
    parity = calls(bot_of("specs/spx_spy_parity.yaml").plan)
    assert "probability_of_profit" not in parity
    assert parity["iv"].argument("of") == "SPX"


def test_crowding_is_left_out_beside_a_leg_near_the_money() -> None:
    assert "crowding" not in calls(CHOOSING.on("SPY").taking("cheap").plan)
    assert "crowding" in calls(CHOOSING.on("SPY").taking("dear").plan)


def test_a_desk_is_widened_by_what_is_read_and_trades_the_same() -> None:
    desk = load_all_bots([str(ROOT / "examples/by_category.yaml")], {}, None)
    wide = widened(desk).bots["by_category"]
    assert set(wide.plan.needs.implied) == set(SYMBOLS)
    assert [leg.name for leg in wide.on("XLE").plan.needs.beside] == ["skew_put", "skew_call"]
    assert wide.plan.digest == RANKED.plan.digest
    assert wide.on("XLE").plan.legs == RANKED.on("XLE").plan.legs
    with pytest.raises(MisuseError, match="--sort: unknown measure 'ivrank'"):
        widened(desk, "ivrank")
    with pytest.raises(MisuseError, match="--sort: 'ema' needs an argument") as owing:
        widened(desk, "ema")  # a let, which is what helps in a spec, is nothing that it takes
    assert owing.value.help == "it takes measures that need no argument, such as dte, iv, iv_rank, iv_percentile"


# ---------------------------------------------------------------- for eyes


def test_words_of_a_trade_and_of_values() -> None:
    assert trade_text({"structure": "AMD 220/225p", "symbol": "AMD", "price": 0.5}) == "sell 220/225p"
    assert trade_text({"structure": "5900/5910p", "symbol": "SPX", "price": -0.5}) == "buy 5900/5910p"
    assert trade_text({"structure": "", "symbol": "SPX", "price": None}) == "-"
    assert value_text("probability_of_profit", 0.75) == "75.0%"
    assert value_text("iv_rank", None) == "-"


def test_delayed_data_and_notes_are_said_once_below_the_tables() -> None:
    scan = scan_of(row("SPY", data="delayed", place=1), row("QQQ", place=2), notes=("it is closed",))
    lines = list(scan_lines(scan, scan.rows, all_shown=False))
    assert "SPY (delayed)" in lines[2]
    assert lines[-3].startswith("(delayed) ")
    assert lines[-2].endswith("173 evicted for the next; 1 on delayed data")
    assert lines[-1] == "note: it is closed"


def test_what_to_type_next_is_about_the_bot_that_would_enter() -> None:
    held = scan_of(row("SPY", bot="a"), row("QQQ", bot="b", taken=True), bots={"a": "a.yaml", "b": "my bots/b.yaml"})
    assert list(next_lines(held, ["--sim"])) == [
        "next: rulebot explain 'my bots/b.yaml'",
        "      rulebot run --paper --sim 'my bots/b.yaml'",
    ]
    assert list(next_lines(scan_of(row("SPY", holds=False)), [])) == []


def test_a_narrow_terminal_does_without_some_columns_and_says_so() -> None:
    numbers = {"by": "iv_percentile", "gamma": -0.2, "vega": -3.3, "iv_percentile": 40.0, "return_on_risk": 0.2}
    rows = [row(symbol, place=place, **numbers) for place, symbol in enumerate(("SPY", "QQQ"), 1)]

    def lines(width: int | None) -> list[str]:
        return list(scan_lines(scan_of(*rows), rows, all_shown=False, width=width))

    wide = max(map(len, lines(None)[1:4]))
    assert lines(None)[1].split() == ["symbol", "trade", "price", "gamma", "vega", "iv", "pctl", "ror"]
    assert lines(wide) == lines(None)
    narrow = lines(wide - 1)
    assert narrow[1].split() == ["symbol", "trade", "price", "vega", "iv", "pctl", "ror"]
    assert narrow[4] == f" not in {wide - 1} columns: gamma; --format csv has all"
    least = lines(10)
    assert least[1].split() == ["symbol", "trade", "price", "iv", "pctl"]  # it is ranked by pctl
    assert least[4].startswith(" not in 10 columns: gamma, vega, ror; ")


@pytest.mark.parametrize(
    ("clock", "opens"), [("08:00", "2026-10-21"), ("16:00", "2026-10-22"), ("17:30", "2026-10-22")]
)
def test_after_the_close_the_next_session_is_that_of_another_day(clock: str, opens: str) -> None:
    session = session_from(date(2026, 10, 21))
    at = at_exchange_time(session.date, time.fromisoformat(clock))
    desk = load_all_bots([str(ROOT / "examples/by_category.yaml")], {}, None)
    assert next(hours_notes(session, at, desk)) == f"the exchange is closed: the next session opens on {opens} at 09:30"


@pytest.mark.parametrize(
    ("spec", "day", "clock", "says"),
    [
        ("double_calendar", date(2026, 10, 21), "10:30", ["double_calendar: it does not enter on a Wednesday"]),
        ("double_calendar", date(2026, 10, 19), "10:30", []),
        (
            "trend_spread",
            date(2026, 10, 21),
            "12:00",
            ["trend_spread enters 10:30 to 11:30 and 13:00 to 14:30 only, and it is 12:00"],
        ),
        (
            "trend_spread",
            date(2026, 11, 27),
            "12:00",
            ["trend_spread enters 10:30 to 11:30 only, and it is 12:00"],
        ),
    ],
)
def test_a_note_reports_when_a_bot_enters_that_does_not_now(spec: str, day: date, clock: str, says: list[str]) -> None:
    """On a week day that is none of its own it was said to enter from 16:00 to 16:00; of two windows one was told."""
    desk = load_all_bots([str(ROOT / f"examples/{spec}.yaml")], {}, None)
    assert [*hours_notes(session_from(day), at_exchange_time(day, time.fromisoformat(clock)), desk)] == says
