"""From what was measured to rows: the alternative that each symbol would take, by what it ranks, and in which place."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from rulebot.compile.plan import Ranking
from rulebot.core.program import CompiledBot
from rulebot.core.rule_evaluation import rounded
from rulebot.model.contract import strike_of, structure_text
from rulebot.preview.candidate import Candidate
from rulebot.scan.scan_row import GREEKS, LOWEST_FIRST, MEASURES, NO_RANK, MeasuredStructure, ScanRow, holding

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
    """Return the rows of one bot, the best first: those for which all holds, then the others.

    sort: a measure to go by; "" goes by the spec's own rank, and without one by the order of the spec.
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
    """Say whether a bot ranks a symbol: whatever its legs come to, it keeps its place, and nothing below moves up.

    One without the shares that its calls would be sold against has none.
    """
    is_bare = candidate.bot.plan.overwrite is not None and bool(candidate.refused)
    return not is_bare and all(judged.verdict.truth is True for judged in candidate.when)


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
    """Return the first whose conditions hold; what is unknown ends the choice. Where none does the first stands."""
    for each in found:
        truths = [judged.verdict.truth for judged in each[0].asked]
        if False not in truths:
            return each
    return found[0]


def _row(candidate: Candidate, measured: MeasuredStructure, sort: str) -> tuple[ScanRow, float | None]:
    """Return the row of a structure, and what the spec ranks it by."""
    numbers, quote, ranking = measured.numbers, candidate.quote, candidate.whole.plan.ranking
    answer = holding(candidate, measured)
    rank = measured.rank if isinstance(measured.rank, float) else None
    value = numbers.get(sort) if sort else rank
    missing = dict(measured.missing)
    if not isinstance(measured.rank, float) and measured.rank.reason != NO_RANK:
        missing["rank"] = measured.rank.reason
    shown = {name: numbers.get(name) for name in (*GREEKS, *MEASURES) if name not in _COUNTS}
    row = ScanRow(
        bot=candidate.bot.plan.name,
        symbol=candidate.bot.symbol or "/".join(candidate.bot.plan.underlyings),
        alternative=candidate.bot.alternative,
        structure=_structure(candidate),
        expiry=_expiry(candidate),
        quantity=measured.quantity or None,
        price=measured.start,
        mid=None if quote is None else rounded(quote.mid),
        natural=None if quote is None else rounded(quote.natural),
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
