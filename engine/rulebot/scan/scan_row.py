"""The rows of a scan: each structure measured at the instant at which its legs were chosen, and their ranking."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field, fields, replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from math import isnan
from typing import Any, NamedTuple

from rulebot.compile.data_needs import combined_needs, needs_of
from rulebot.compile.plan import Call, LegPlan, Plan, Quantity, Ranking
from rulebot.compile.problem import Fault
from rulebot.compile.scope import Scope, call_of, measure_named
from rulebot.core.program import CompiledBot, compile_bot
from rulebot.core.rules.rule_evaluation import rounded
from rulebot.documents.load_bots import LoadedBots
from rulebot.evaluate.measure import context_of, reader_of
from rulebot.evaluate.rules import shortfall
from rulebot.measure.definition import Place, Takes, may_stand
from rulebot.measure.reading import AtLeast, AtMost, Read, Reading, UnknownValue
from rulebot.measure.view import LegView, View
from rulebot.measures.registry import VOCABULARY
from rulebot.model.contract import strike_of, structure_text
from rulebot.model.errors import MisuseError
from rulebot.model.loss_bound import trade_bound
from rulebot.model.market import OPTION_AGE, Board, age_problem
from rulebot.model.money import ZERO, dollars
from rulebot.model.values import ValuePool, dataclass
from rulebot.narrate.positions import ShownLeg, leg_document, shown_legs
from rulebot.order.price import limited_at
from rulebot.preview.candidate import Candidate, JudgedCandidate
from rulebot.preview.connection import ReadOnlySession, Stream, seen_on
from rulebot.record.codec import utc_text
from rulebot.spec.nouns import Leg, Side, StrikeBy, Word

# --- The columns of a scan besides legs

MEASURES = (
    "dte",
    "iv",
    "iv_rank",
    "iv_percentile",
    "volume",
    "open_interest",
    "quote_width",
    "probability_of_profit",
    "probability_in_the_money",
    "return_on_risk",
    "crowding",
)
"""Those that every row has, by their names in the language."""
NEAR = Decimal("0.45")
"""The delta from which on a leg counts as near the money."""
OWING = "RB207"
"""The code of a measure that lacks an argument."""
LOWEST_FIRST = frozenset(
    ("quote_width", "dte", "max_risk", "debit", "leg_delta", "leg_gamma", "probability_in_the_money")
)
"""Measures of which less is better, for sorting."""


def calls(plan: Plan, more: str = "") -> Mapping[str, Call]:
    """Return the measures of a structure, and `more`, as far as it has them. Raises: MisuseError for no such measure.

    Of several underlyings the first is meant; counts and widths are those of all legs. What a rule reads of the short
    legs is read of them here too, of all legs where none is sold.
    """
    found = {name: call for name in MEASURES if (call := _call(name, plan)) is not None}
    if more and more not in found:
        found[more] = _wanted(more, plan)
    return found


def _call(name: str, plan: Plan) -> Call | None:
    if name == "crowding" and any(_is_near(leg) for leg in plan.legs):
        return None
    try:
        return _resolved(name, plan)
    except Fault:
        return None  # it has no meaning for this structure, such as a probability of two underlyings


def _is_near(leg: LegPlan) -> bool:
    """Say whether a leg's target is at, or in, the money.

    Its strike is guessed from out-of-the-money options as soon as they stream; the options that crowding reads there
    would mislead the guess.
    """
    return leg.strike.by is StrikeBy.DELTA and (leg.strike.target or 0) >= NEAR


def _wanted(name: str, plan: Plan) -> Call:
    such = f"such as {', '.join(MEASURES[:4])}"
    try:
        found = _resolved(name, plan)
    except Fault as fault:
        help = f"it takes measures that need no argument, {such}" if fault.problem.code == OWING else fault.problem.help
        raise MisuseError(f"--sort: {fault.problem.message}", help or None) from None
    if found.quantity in (Quantity.TRUTH, Quantity.TEXT):
        raise MisuseError(f"--sort: '{name}' is no number", such)
    return found


def _resolved(name: str, plan: Plan) -> Call:
    scope = Scope(Place.REQUIRE, plan.underlyings, {leg.name: _leg(leg) for leg in plan.legs}, {}, {})
    measure = measure_named(name, scope, ())
    of = next((each for each in measure.parameters if each.name == "of"), None)
    if of is not None and of.takes is Takes.SYMBOL:
        return call_of(measure, {"of": Word(plan.underlyings[0])}, scope, ())
    if of is not None and of.takes is Takes.LEGS:
        is_of_sold = of.default == "short_legs" and any(leg.sign < 0 and not leg.is_shares for leg in plan.legs)
        return call_of(measure, {"of": Word("short_legs" if is_of_sold else "all")}, scope, ())
    return call_of(measure, {}, scope, ())


def _leg(leg: LegPlan) -> Leg:
    side = Side.BUY if leg.sign > 0 else Side.SELL
    right = "shares" if leg.is_shares else leg.right.value
    return Leg(name=leg.name, side=side, right=right, underlying=leg.symbol, strike=leg.strike, path=())


def widened(desk: LoadedBots, more: str = "") -> LoadedBots:
    """Return the same bots, asking for what a scan shows of them too. Raises: MisuseError."""
    pool = ValuePool()
    return replace(desk, bots={name: compile_bot(_widened(bot.plan, more), pool) for name, bot in desk.bots.items()})


def _widened(plan: Plan, more: str) -> Plan:
    """Return the plan, and those of its symbols and alternatives, with the needs of what is shown."""
    choices = tuple(replace(each, plan=_widened(each.plan, more)) for each in plan.choices)
    members = tuple(replace(each, plan=_widened(each.plan, more)) for each in plan.members)
    parts = [*(each.plan.needs for each in choices), *(each.plan.needs for each in members)]
    if not parts:
        parts = [needs_of((), plan.legs, plan.expiry, tuple(calls(plan, more).values()), plan.underlyings[0])]
    return replace(plan, choices=choices, members=members, needs=combined_needs((plan.needs, *parts)))


# --- One structure measured

GREEKS = ("delta", "gamma", "theta", "vega")
OF_THE_MARKET = frozenset(("iv_rank", "iv_percentile", "crowding"))
"""Measures that need no legs: they are read although none were found."""
NO_RANK = "it is not ranked"


@mutable_dataclass(slots=True)
class MeasuredStructure:
    """The last reading of a structure: numbers by name, and reasons for missing ones.

    start: its order's starting price, net per share, + received; commission: dollars of opening it. rank: its
    universe's rank value. legs, levels: its legs, and its underlyings' prices.
    """

    numbers: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    start: float | None = None
    quantity: int = 0
    commission: Decimal = ZERO
    legs: tuple[ShownLeg, ...] = ()
    levels: dict[str, float] = field(default_factory=dict)
    rank: Reading = field(default_factory=lambda: UnknownValue(NO_RANK))
    is_delayed: bool = False


class StructureMeasurer:
    """Reads every structure of a scan as it is judged; `found` has the last reading of each, by its key.

    is_delayed: says whether anything that it reads is delayed. more: one more measure.
    """

    def __init__(self, is_delayed: Callable[[Candidate], bool], more: str = "") -> None:
        self._is_delayed = is_delayed
        self._more = more
        self._of_market = OF_THE_MARKET | ({more} if more and may_stand(VOCABULARY[more], Place.FILTER) else set())
        self._reads: dict[str, Mapping[str, Read]] = {}
        self.found: dict[str, MeasuredStructure] = {}

    def __call__(self, candidate: Candidate, view: View) -> bool:
        """Measure a structure; say whether all of it is known, or will not be."""
        key = candidate.bot.key
        if key not in self._reads:
            self._reads[key] = _readers(calls(candidate.bot.plan, self._more), candidate)
        was = self.found.get(key)
        found = self.found[key] = MeasuredStructure(
            is_delayed=self._is_delayed(candidate) or (was is not None and was.is_delayed)
        )
        selection = candidate.selection
        if selection is None or not selection.is_complete:
            for name in self._of_market & self._reads[key].keys():
                _keep(found, name, self._reads[key][name](view))
            found.rank = _ranked(candidate, view)
            return selection is not None and bool(selection.refused) and _is_settled(found.rank)
        found.start, found.quantity = view.start_price, view.quantity
        found.commission = Decimal(f"{view.commission:.2f}")
        found.legs = shown_legs(selection, view.board)
        found.levels = levels_of(candidate.bot.plan.underlyings, view)
        _keep_greeks(found, view)
        for name, read in self._reads[key].items():
            _keep(found, name, read(view))
        found.rank = _ranked(candidate, view)
        return not found.missing and _is_settled(found.rank)


def is_delayed(visit: ReadOnlySession, candidate: Candidate) -> bool:
    """Say whether anything that streams for a structure is delayed."""
    plan, feed = candidate.bot.plan, visit.feed
    symbols = {*plan.underlyings, *(level.symbol for level in candidate.bot.levels)}
    return any(
        contract.symbol in symbols and seen_on(feed, contract).stream is Stream.DELAYED for contract in feed.troubles
    )


def levels_of(symbols: Iterable[str], view: View) -> dict[str, float]:
    """Return the known prices of underlyings."""
    return {symbol: round(level, 4) for symbol in symbols if (level := view.level(symbol)) is not None}


def _readers(wanted: Mapping[str, Call], candidate: Candidate) -> dict[str, Read]:
    context = context_of(candidate.bot.plan)
    return {name: reader_of(call, context) for name, call in wanted.items()}


def _keep(found: MeasuredStructure, name: str, reading: Reading) -> None:
    """A bound is not a number: the unknown leg could be worse."""
    match reading:
        case UnknownValue(reason) | AtLeast(_, reason) | AtMost(_, reason):
            found.missing[name] = reason
        case _:
            found.numbers[name] = reading


def _keep_greeks(found: MeasuredStructure, view: View) -> None:
    """Sum the greeks of the legs, x contracts x 100, of one structure where none fits; with one unknown all are."""
    sums = dict.fromkeys(GREEKS, 0.0)
    for leg in view.legs:
        contracts = leg.sign * leg.ratio * max(view.quantity, 1)
        if leg.option.is_share:
            sums["delta"] += contracts
            continue
        if reason := _greeks_problem(view.board, leg, view.now):
            found.missing["greeks"] = reason
            return
        for name in GREEKS:
            sums[name] += contracts * leg.option.multiplier * getattr(view.board, name)[leg.row]
    found.numbers |= sums


def _greeks_problem(board: Board, leg: LegView, now: float) -> str:
    if leg.row < 0:
        return f"{leg.name}: not streamed"
    if problem := age_problem(board, leg.row, board.model_at[leg.row], now, OPTION_AGE):
        return f"{leg.name}: {problem}"
    return f"{leg.name}: no greeks" if any(isnan(getattr(board, name)[leg.row]) for name in GREEKS) else ""


def _is_settled(rank: Reading) -> bool:
    return isinstance(rank, float) or rank == UnknownValue(NO_RANK)


def _ranked(candidate: Candidate, view: View) -> Reading:
    """Return what the universe ranks this symbol by, as its turn reads it: of the structure only where it says so."""
    whole = candidate.whole
    member = next((each for each in whole.members if each.symbol == candidate.bot.symbol), None)
    ranking = whole.plan.ranking
    if member is None or member.rank is None or ranking is None or (ranking.of_structure and not view.legs):
        return UnknownValue(NO_RANK)
    legs, start = view.legs, view.start_price
    if not ranking.of_structure:
        view.legs, view.start_price = (), None
    found = member.rank(view)
    view.legs, view.start_price = legs, start
    return found


# --- What a scan says


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRow:
    """One structure as it would be traded now. None is unknown, or has no meaning here; `missing` has the reasons.

    Units: price (where its order would start), mid and natural are per share of one structure, + is received; greeks of
    the whole quantity, x contracts x 100; iv in percent a year, ranks and crowding 0 to 100; probabilities and return
    are parts of 1; in the money: that any sold leg ends there, without one any bought. volume, open_interest: of the
    leg that has least; quote_width: of the widest, per share. value: of the measure `by` that ranks it; place: among
    those of its bot for which all conditions are true, 0 for the others. holds: whether all conditions of the spec are
    true, None while unknown; why: the first that is not, and by how much, which is `short` as a part of its bound.
    taken: the spec's rank would enter it. data: live or delayed. legs, levels: its legs, and its underlyings' prices;
    commission: dollars of opening it all, estimated; covered: shares cover its calls.
    """

    bot: str
    symbol: str
    alternative: str = ""
    structure: str = ""
    expiry: str | None = None
    quantity: int | None = None
    price: float | None = None
    mid: float | None = None
    natural: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None
    dte: int | None = None
    iv: float | None = None
    iv_rank: float | None = None
    iv_percentile: float | None = None
    volume: float | None = None
    open_interest: float | None = None
    quote_width: float | None = None
    probability_of_profit: float | None = None
    probability_in_the_money: float | None = None
    return_on_risk: float | None = None
    crowding: float | None = None
    by: str = ""
    value: float | None = None
    place: int = 0
    taken: bool = False
    holds: bool | None = None
    why: str = ""
    short: float | None = None
    data: str = "live"
    missing: Mapping[str, str] = field(default_factory=dict)
    legs: tuple[ShownLeg, ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    commission: float | None = None
    covered: bool = False


DETAILS = ("missing", "legs", "levels", "commission", "covered")
"""What no table shows: it is for a preview."""
COLUMNS = tuple(each.name for each in fields(ScanRow) if each.name not in DETAILS)
"""The names of what a row has, in the order of a table."""


def document(row: ScanRow) -> dict[str, Any]:
    """Return a row for machines."""
    flat = {name: getattr(row, name) for name in (*COLUMNS, "commission", "covered")}
    return flat | {
        "missing": dict(row.missing),
        "legs": [leg_document(leg) for leg in row.legs],
        "levels": dict(row.levels),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One scan: its rows, best first within each bot, and what it took.

    world: paper, live or simulated. bots: the file of each, by name. seconds: from the first question to the last
    answer, by the market's clock. lines, line_limit: market data lines at once, at most and allowed; turns: how often
    lines went to structures that waited for them; lines_taken, lines_evicted: altogether; of all
    these 0 where nothing was streamed. notes: what else to know.
    """

    at: datetime
    world: str
    bots: Mapping[str, str]
    rows: tuple[ScanRow, ...]
    structures: int
    seconds: float
    lines: int = 0
    line_limit: int = 0
    turns: int = 0
    lines_taken: int = 0
    lines_evicted: int = 0
    notes: tuple[str, ...] = ()

    def noting(self, words: str) -> "Scan":
        """Return the scan with one more note."""
        return replace(self, notes=(*self.notes, words))


def head(scan: Scan) -> dict[str, Any]:
    """Return what a scan is, without its rows, for machines and for the file of scans."""
    same = ("world", "structures", "seconds", "lines", "line_limit", "turns", "lines_taken", "lines_evicted")
    lists = {"specs": list(scan.bots.values()), "notes": list(scan.notes)}
    return {name: getattr(scan, name) for name in same} | lists | {"at": utc_text(scan.at)}


# --- Whether all conditions of a spec hold for one structure, or the first that does not, and by how much


class RequirementCheck(NamedTuple):
    """The answer in three values; `why` says what fails or is unknown first, `short` by what part of its bound."""

    truth: bool | None
    why: str = ""
    short: float | None = None


def holding(candidate: Candidate, measured: MeasuredStructure) -> RequirementCheck:
    """Ask the conditions in the order in which a bot does: a false one decides, else the first that is unknown."""
    found = list(_asked(candidate, measured))
    false = [each for each in found if each.truth is False]
    if false:
        first, more = false[0], len(false) - 1
        return first._replace(why=f"{first.why}; and {more} more" if more else first.why)
    return next((each for each in found if each.truth is None), RequirementCheck(True))


def _asked(candidate: Candidate, measured: MeasuredStructure) -> Iterator[RequirementCheck]:
    yield from _of(candidate.when)
    selection, quote = candidate.selection, candidate.quote
    if selection is None or selection.missing:
        yield RequirementCheck(None, f"no legs: {selection.missing if selection is not None else 'nothing was chosen'}")
    elif selection.refused:
        yield RequirementCheck(False, f"no legs: {selection.refused}")
    elif quote is not None and quote.missing:
        yield RequirementCheck(None, f"no price: {quote.missing}")
    elif candidate.refused:
        yield RequirementCheck(False, candidate.refused)
    yield from _of(candidate.require)
    yield from _of_loss(candidate, measured)
    for words in filter(None, (candidate.legging, candidate.hit)):
        yield RequirementCheck(False, words)
    for each in candidate.halts:
        if each.evaluation.truth is not False:
            halts = "it would halt for the day" if each.evaluation.truth else "whether it halts is unknown"
            yield RequirementCheck(None if each.evaluation.truth is None else False, f"{halts}: {each.words}")


def _of(judged: Sequence[JudgedCandidate]) -> Iterator[RequirementCheck]:
    for each in judged:
        words = each.words if each.evaluation.truth is not None else f"unknown: {each.words}"
        yield RequirementCheck(each.evaluation.truth, words, shortfall(each.rule.rule, each.evaluation))


def _of_loss(candidate: Candidate, measured: MeasuredStructure) -> Iterator[RequirementCheck]:
    """Hold `max_loss_per_trade` against the worst case at the price of the order, as the gate before an entry does."""
    plan, selection = candidate.bot.plan, candidate.selection
    limit = plan.risk.max_loss_per_trade
    if limit is None or selection is None or not selection.is_complete or candidate.quote is None:
        return
    price = limited_at(plan.order, measured.start, candidate.quote)
    if price is None or not measured.quantity:
        return
    is_covered = plan.overwrite is not None
    loss = trade_bound(selection.legs, Decimal(f"{price:.4f}"), measured.quantity, is_covered=is_covered)
    if loss is not None and loss > limit:
        words = f"could lose {dollars(loss)}, max_loss_per_trade is {dollars(limit)}"
        yield RequirementCheck(False, words, float((loss - limit) / limit) if limit else 1.0)


# --- From what was measured to rows

_COUNTS = ("dte",)


def ranked(
    bots: Iterable[CompiledBot], found: Iterable[tuple[Candidate, MeasuredStructure]], sort: str = ""
) -> list[ScanRow]:
    """Return the rows of all bots, one bot after the other; see `rows_of`."""
    pairs = list(found)
    return [
        row
        for bot in bots
        for row in rows_of(bot, [pair for pair in pairs if pair[0].bot.plan.name == bot.plan.name], sort)
    ]


def rows_of(bot: CompiledBot, found: Iterable[tuple[Candidate, MeasuredStructure]], sort: str = "") -> list[ScanRow]:
    """Return the rows of one bot, the best first: those for which all conditions are true, then the others.

    sort: a measure to sort by; "" is the spec's own rank, and without one the order of the spec.
    """
    known = list(_taken(bot, found))
    pairs = [_row(candidate, measured, sort) for candidate, measured in known]
    ranking = bot.plan.ranking
    rows = [row for row, _ in pairs]
    if ranking is not None:
        ranks = [
            (row, rank)
            for (row, rank), (candidate, _) in zip(pairs, known, strict=True)
            if rank is not None and _has_place(candidate)
        ]
        first = _first(ranking, ranks)
        rows = [replace(row, taken=row.holds is True and row.symbol in first) for row in rows]
    is_lowest = sort in LOWEST_FIRST if sort else ranking is not None and not ranking.highest
    rows.sort(key=lambda row: _order(row, -1.0 if not is_lowest else 1.0))
    held = sum(row.holds is True for row in rows)
    return [replace(row, place=number if number <= held else 0) for number, row in enumerate(rows, 1)]


def _order(row: ScanRow, sign: float) -> tuple[bool, bool, float]:
    return row.holds is not True, row.value is None, 0.0 if row.value is None else sign * row.value


def _has_place(candidate: Candidate) -> bool:
    """Say whether a bot ranks a symbol: it then keeps its place whatever its legs, and nothing below moves up.

    One without the shares for its covered calls has no place.
    """
    is_bare = candidate.bot.plan.overwrite is not None and bool(candidate.refused)
    return not is_bare and all(judged.evaluation.truth is True for judged in candidate.when)


def _first(ranking: Ranking, ranked: list[tuple[ScanRow, float]]) -> set[str]:
    """Return the symbols that the spec's rank takes; equal ones in the order of the universe, as a bot does."""
    ordered = sorted(ranked, key=lambda each: -each[1] if ranking.highest else each[1])
    return {row.symbol for row, _ in ordered[: ranking.count]}


def _taken(
    bot: CompiledBot, found: Iterable[tuple[Candidate, MeasuredStructure]]
) -> Iterator[tuple[Candidate, MeasuredStructure]]:
    """Yield for each symbol the structure that it would take; without a universe every structure."""
    if not bot.members:
        yield from found
        return
    for _, group in groupby(found, key=lambda each: each[0].bot.symbol):
        yield _alternative(list(group))


def _alternative(found: list[tuple[Candidate, MeasuredStructure]]) -> tuple[Candidate, MeasuredStructure]:
    """Return the first whose conditions are true; an unknown one ends the choice. By default the first."""
    for each in found:
        truths = [judged.evaluation.truth for judged in each[0].asked]
        if False not in truths:
            return each
    return found[0]


def _row(candidate: Candidate, measured: MeasuredStructure, sort: str) -> tuple[ScanRow, float | None]:
    """Return the row of a structure, and what the spec ranks it by."""
    numbers, ranking = measured.numbers, candidate.whole.plan.ranking
    answer = holding(candidate, measured)
    rank = measured.rank if isinstance(measured.rank, float) else None
    value = numbers.get(sort) if sort else rank
    missing = dict(measured.missing)
    if not isinstance(measured.rank, float) and measured.rank.reason != NO_RANK:
        missing["rank"] = measured.rank.reason
    shown = {name: numbers.get(name) for name in (*GREEKS, *MEASURES) if name not in _COUNTS}
    row = ScanRow(
        bot=candidate.bot.plan.name,
        symbol=candidate.symbol,
        alternative=candidate.bot.alternative,
        structure=_structure(candidate),
        expiry=_expiry(candidate),
        quantity=measured.quantity or None,
        price=measured.start,
        mid=candidate.mid,
        natural=candidate.natural,
        dte=None if "dte" not in numbers else int(numbers["dte"]),
        by=sort or ("" if ranking is None else ranking.by),
        value=rounded(value),
        holds=answer.truth,
        why=answer.why,
        short=rounded(answer.short),
        data="delayed" if measured.is_delayed else "live",
        missing=missing,
        legs=measured.legs,
        levels=measured.levels,
        commission=float(measured.commission) if measured.legs else None,
        covered=candidate.bot.plan.overwrite is not None,
        **{name: rounded(number) for name, number in shown.items()},  # type: ignore[arg-type]
    )
    return row, rank


def _structure(candidate: Candidate) -> str:
    selection = candidate.selection
    if selection is None or not selection.is_complete:
        return ""
    return structure_text(strike_of(leg.option, leg.ratio, leg.sign) for leg in selection.legs)


def _expiry(candidate: Candidate) -> str | None:
    selection = candidate.selection
    legs = () if selection is None else selection.legs
    expiries = [leg.option.expiry for leg in legs if not leg.option.is_share]
    return str(min(expiries)) if expiries else None
