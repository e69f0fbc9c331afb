"""One structure measured: what a scan shows of it, read at the instant at which its legs were chosen."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isnan

from rulebot.compile.measures.measure import Place, may_stand
from rulebot.compile.plan import Call
from rulebot.compile.vocabulary import VOCABULARY
from rulebot.evaluate.measure import reader_of
from rulebot.evaluate.reading import AtLeast, AtMost, Read, Reading, UnknownValue, context_of
from rulebot.evaluate.snapshot import LegView, View
from rulebot.model.market import Board
from rulebot.model.money import ZERO
from rulebot.model.quotes import OPTION_AGE, age_problem
from rulebot.narrate.structure_view import ShownLeg, shown_legs
from rulebot.preview.candidate import Candidate
from rulebot.preview.read_only_session import ReadOnlySession
from rulebot.preview.subscriptions import Stream, seen_on
from rulebot.scan.measures import calls

GREEKS = ("delta", "gamma", "theta", "vega")
OF_THE_MARKET = frozenset(("iv_rank", "iv_percentile", "crowding"))
"""Measures that need no legs: they are read although none were found."""
NO_RANK = "it is not ranked"


@dataclass(slots=True)
class MeasuredStructure:
    """What was read of a structure the last time: numbers by name, and the reasons for those that are missing.

    start: what its order would start from, net per share, + received; commission: dollars of opening it. rank: by what
    its universe ranks it. legs, levels: what it is made of, and where its underlyings stand.
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
    """Return where underlyings stand, those that are known."""
    return {symbol: round(level, 4) for symbol in symbols if (level := view.level(symbol)) is not None}


def _readers(wanted: Mapping[str, Call], candidate: Candidate) -> dict[str, Read]:
    context = context_of(candidate.bot.plan)
    return {name: reader_of(call, context) for name, call in wanted.items()}


def _keep(found: MeasuredStructure, name: str, reading: Reading) -> None:
    """A bound stands for no number: the leg that is not known could be worse."""
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
