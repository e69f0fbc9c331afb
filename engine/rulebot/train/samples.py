"""Samples for training: each trade of a backtest with what was known when it was entered, and what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rulebot.backtest.notes import FEATURES
from rulebot.backtest.result_rows import ClosedTrade
from rulebot.backtest.results import read_results
from rulebot.compile.features import VERSION
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.money import ZERO
from rulebot.model.session import EXCHANGE_ZONE, exchange_date
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One closed trade. values: its features, None where one was not known. net: dollars a structure, after all.

    What it was rolled into is of it. left: when its last leg was over, be it a wing that expires: what it made is not
    known before.
    in_shares: it was assigned or exercised; `net` counts the shares at their settlement price.
    """

    entered: datetime
    left: datetime
    values: tuple[float | None, ...]
    net: float
    in_shares: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The trades of one bot, in the order of their entries. place: where their features were read.

    every: they are hypothetical, one for every so many minutes; None: the bot made them. findings: what was wrong with
    the data that they come from, as plain data.
    """

    names: tuple[str, ...]
    place: str
    rows: tuple[Sample, ...]
    settings: Mapping[str, Any]
    every: int | None = None
    findings: tuple[Mapping[str, Any], ...] = ()

    @property
    def sessions(self) -> int:
        """Count the sessions in which they were entered."""
        return len({exchange_date(row.entered) for row in self.rows})


def read_samples(store: Place, bot: str, digest: str) -> Samples:
    """Return the trades of a bot that a backtest kept. Raises: StoreError, MisuseError for one without features."""
    results = read_results(store, str(store))
    if results.digests.get(bot) != digest:
        raise MisuseError(f"{store} holds no backtest of {bot} as it is written now", "run the backtest again")
    with StoreReader(store) as reader:
        noted = [each for each in reader.records((Kind.FACTS,)) if each.data["what"] == FEATURES and each.bot == bot]
        over = {str(row["position"]): str(row["exit_time"]) for row in reader.view("trades", strategy_id=bot)}
        told = [each for each in reader.records((Kind.POSITION,)) if each.bot == bot]
    if "features" not in results.settings:
        raise MisuseError(f"{store} holds a backtest without features", "run it with --features when, or require")
    known: dict[str, Record] = {}
    for record in noted:
        known.setdefault(record.position, record)
    if any(record.data["version"] != VERSION for record in noted):
        raise StoreError(f"{store} holds features of another version than {VERSION}", "run the backtest again")
    entered_as = {each.position: str(each.data.get("trade") or each.position) for each in told}
    entered: dict[str, list[ClosedTrade]] = {}
    for trade in results.trades:
        if trade.bot == bot:
            entered.setdefault(entered_as[trade.name], []).append(trade)
    rows = [
        _sample(known[name], parts, [over[part.name] for part in parts])
        for name, parts in entered.items()
        if name in known and all(part.left is not None for part in parts)
    ]
    return Samples(
        names=tuple(map(str, results.settings["features"])),
        place=str(results.settings["place"]),
        rows=tuple(sorted(rows, key=lambda row: row.entered)),
        settings=results.settings,
        findings=results.findings,
    )


def _sample(noted: Record, parts: Sequence[ClosedTrade], over: Iterable[str]) -> Sample:
    """Return what came of an entry. parts: what was entered, and what it was rolled into; over: when each ended."""
    quantity = next(part.quantity for part in parts if part.name == noted.position)
    return Sample(
        entered=noted.at,
        left=max(noted.at, *map(_instant, over)),
        values=_values(noted.data["value"]),
        net=float(sum((part.net for part in parts), ZERO)) / quantity,
        in_shares=any(part.in_shares for part in parts),
    )


def _instant(text: str) -> datetime:
    """Return the instant of a view of the store, whose times are New York's."""
    return datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_ZONE).astimezone(UTC)


def _values(written: Any) -> tuple[float | None, ...]:
    return tuple(None if each is None else float(each) for each in written)


def only(samples: Samples, names: Sequence[str]) -> Samples:
    """Return the samples with these features alone. Raises: MisuseError for one that was not noted."""
    for name in names:
        if name not in samples.names:
            raise MisuseError(f"the feature '{name}' was not noted", f"noted are {', '.join(samples.names)}")
    places = [samples.names.index(name) for name in names]
    rows = tuple(replace(row, values=tuple(row.values[at] for at in places)) for row in samples.rows)
    return replace(samples, names=tuple(names), rows=rows)


def table_of(samples: Samples) -> str:
    """Return the samples as CSV: entry and end in UTC, dollars a structure, each feature ("" where it was unknown)."""
    rows = [("entered", "left", "net", *samples.names)]
    for row in samples.rows:
        values = ("" if each is None else f"{each:.10g}" for each in row.values)
        rows.append((row.entered.isoformat(), row.left.isoformat(), f"{row.net:.2f}", *values))
    return "".join(",".join(row) + "\n" for row in rows)
