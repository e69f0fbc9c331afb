"""Which bars that rules read are not there, in the words in which a backtest tells what is wrong with its data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np

from rulebot.adapters.history import finding
from rulebot.adapters.history.daily import IMPLIED_BY, NO_BARS
from rulebot.adapters.history.day import DailyBar, Finding, HistoryDay, Source, ToldBars
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.historical_market import DayMarket
from rulebot.compile.series import BARS_A_SESSION, DAY, Series, name_of
from rulebot.core.program import CompiledBot
from rulebot.evaluate.measure_bars import last_end
from rulebot.model.contract import Option
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import EXCHANGE_ZONE, Session
from rulebot.narrate.text_table import clock

UNSEEN = 15 * 60.0
"""Seconds without a quote up to the end of a session's data after which what is held was not seen to its end."""


def gaps_of(bots: Sequence[CompiledBot], source: Source, first: date, last: date) -> Iterator[Finding]:
    """Yield what is wrong with the data of a range as a whole, and what bots read of days before that it has not.

    What a broker told of days before is looked at with each recorded day.
    """
    gaps = source.gaps(first, last)
    yield from gaps
    if not isinstance(source, RecordingSource) and all(gap.text != NO_BARS for gap in gaps):
        yield from _without_daily(bots, source, source.dates(first, last))


def _without_daily(bots: Iterable[CompiledBot], source: Source, days: Sequence[date]) -> Iterator[Finding]:
    """Yield of which symbols that bots trade or read there are no daily bars before any of these sessions.

    There may be some that end long before, or begin later.
    """
    read = [bot.plan.needs for bot in bots]
    of_days = (symbol for needs in read for symbol, seconds in needs.bars if seconds == DAY)
    for symbol in sorted({*of_days, *(symbol for needs in read for symbol in (*needs.symbols, *needs.daily))}):
        if not any(source.daily(symbol, day, 1) for day in days):
            text = f"no session has daily bars of {symbol} before it: its previous closes and averages are unknown"
            yield finding.finding_text("daily", 0, text)
    for symbol in sorted({symbol for needs in read for symbol in needs.implied}):
        if not any(source.implied(symbol, day, 1) for day in days):
            index = f"daily bars of {IMPLIED_BY[symbol]}" if symbol in IMPLIED_BY else "volatilities of days"
            text = f"no session has {index} before it: ranks of volatility of {symbol} are unknown"
            yield finding.finding_text("daily", 0, text)


def missing_bars(
    day: HistoryDay, session: Session, needed: Mapping[Series, int], today: frozenset[Series], source: Source
) -> Iterator[str]:
    """Yield what a broker did not tell of the bars that rules read, and what stands for it.

    today: series of which bars of the session itself are read.
    """
    told = day.bars or {}
    for (symbol, seconds), count in sorted(needed.items()):
        what = f"{name_of(seconds)} bars of {symbol}"
        if seconds == DAY:
            yield from _daily(what, count, source.daily(symbol, session.date, count))
        elif found := told.get((symbol, seconds)):
            is_read = (symbol, seconds) in today
            yield from _partly(what, found, count if is_read else count - BARS_A_SESSION, session)
            if is_read:
                yield from _until(what, found[-1][1].known_until, seconds, day, session)
        elif symbol in day.levels:
            yield f"{what} are not recorded: they are made of the levels that were streamed, without volumes"
        else:
            yield f"{what} are not recorded, nor is its level"


def unseen_windows(bots: Iterable[CompiledBot], market: DayMarket) -> Iterator[str]:
    """Yield which bots may enter in a session, and not while any quote of it stands."""
    times, session = market.quoted, market.session
    if not len(times):
        return
    for bot in bots:
        spans = [span for span in bot.windows(session) if span[0] < span[1]]
        seen = ((times + market.stands_for >= begin.timestamp()) & (times <= end.timestamp()) for begin, end in spans)
        if spans and not any(each.any() for each in seen):
            when = ", ".join(" to ".join(f"{at.astimezone(EXCHANGE_ZONE):%H:%M}" for at in span) for span in spans)
            yield f"no quote stands while {bot.plan.name} may enter ({when}): it sees nothing then"


def unquoted_holdings(positions: Iterable[Position], market: DayMarket) -> Iterator[str]:
    """Yield what was held to the end of a session though its quotes had ended long before: exits saw nothing of it.

    So it is in a recording whose own bot had left it earlier.
    """
    if not len(market.day.times):
        return
    until = min(float(market.day.times[-1]), market.session.close.timestamp())
    for position in positions:
        legs = _kept(position, market.session)
        if position.opened_at is None or not legs:
            continue
        seen = {leg.option: _seen_until(leg.option, market) for leg in legs}
        option = min(seen, key=seen.__getitem__)
        if until - max(seen[option], position.opened_at.timestamp()) > UNSEEN:
            last = clock(datetime.fromtimestamp(seen[option], UTC))
            when = f"from {last} on there is no quote" if seen[option] else "there is no quote"
            yield f"{when} of {option}, which {position.bot} held to the close: its exits saw nothing of it"


def _kept(position: Position, session: Session) -> list[PositionLeg]:
    """Return the legs that a position held to the end of a session that they trade in; short ones, if it has any.

    Wings that an exit left over are none: it had bought the short ones back.
    """
    held = [leg for leg in position.legs if (leg.held or leg.settled) and not leg.option.is_share]
    has_short = any(leg.sign < 0 and not leg.option.is_share for leg in position.legs)
    return [leg for leg in held if leg.option.expiry >= session.date and (leg.sign < 0 or not has_short)]


def _seen_until(option: Option, market: DayMarket) -> float:
    """Return when an option was quoted last in a session, 0 if it never was."""
    asks = market.given_of([option]).get("ask")
    if asks is None or not asks.shape[1]:
        return 0.0
    quoted = np.flatnonzero(~np.isnan(asks[:, 0]))
    return float(market.day.times[quoted[-1]]) if len(quoted) else 0.0


def missing_measures(bots: Iterable[CompiledBot], day: HistoryDay, *, is_modelled: bool = False) -> Iterator[str]:
    """Yield of which underlyings and indices that bots read a session has no level, and on which it has no options.

    Of a recorded one also which of the bots did not run then: the options that they would look at were not streamed.
    is_modelled: which classes it has follows from what was asked to be listed, and is not told.
    """
    bots = list(bots)
    if not len(day.times):
        return
    if day.ran is not None and (others := [bot.plan.name for bot in bots if bot.plan.name not in day.ran]):
        streamed = f"what was streamed for {', '.join(sorted(day.ran))}" if day.ran else "what was held then"
        yield f"{', '.join(others)} did not run then: of options there is only {streamed}"
    classes = day.classes()
    quoted = {symbol for symbol, _ in classes}
    unread: dict[str, list[str]] = {}
    untraded: dict[str, list[str]] = {}
    unlisted: dict[tuple[str, str], list[str]] = {}
    for bot in bots:
        needs = bot.plan.needs
        for symbol in dict.fromkeys((*needs.symbols, *needs.indices)):
            if symbol not in day.levels:
                unread.setdefault(symbol, []).append(bot.plan.name)
        for symbol in dict.fromkeys(symbol for symbol, _, _ in needs.chains):
            if quoted and symbol not in quoted:
                untraded.setdefault(symbol, []).append(bot.plan.name)
        for symbol, trading_class in dict.fromkeys((symbol, of_class) for symbol, of_class, _ in needs.chains):
            if symbol in quoted and not is_modelled and (symbol, trading_class) not in classes:
                unlisted.setdefault((symbol, trading_class), []).append(bot.plan.name)
    for names, symbols in _by_bots(unread):
        yield f"there is no level of {symbols}: what {names} would make of it is unknown"
    for names, symbols in _by_bots(untraded):
        yield f"there are no options on {symbols}, of which {names} would make legs, but on {', '.join(sorted(quoted))}"
    for (symbol, trading_class), legs_of in unlisted.items():
        there = ", ".join(sorted(other for on, other in classes if on == symbol))
        none = f"there are no options of class {trading_class} on {symbol}"
        yield f"{none}, of which {', '.join(legs_of)} would make legs, but of class {there}"


def _by_bots(found: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yield names of bots, and the symbols that these have in common."""
    together: dict[str, list[str]] = {}
    for symbol, names in found.items():
        together.setdefault(", ".join(names), []).append(symbol)
    yield from ((names, ", ".join(symbols)) for names, symbols in together.items())


def _daily(what: str, count: int, bars: Sequence[DailyBar]) -> Iterator[str]:
    whole = sum(bar.high > bar.low for bar in bars)
    if whole < count:
        others = ", others have a close alone" if len(bars) > whole else ""
        yield f"of {count} {what} {whole} are recorded{others}"


def _partly(what: str, told: ToldBars, count: int, session: Session) -> Iterator[str]:
    earlier = max(sum(bar.at < session.open.timestamp() for bar in known.bars) for _, known in told)
    if earlier < count:
        yield f"of {count} {what} of earlier sessions {earlier} are recorded"


def _until(what: str, until: float, seconds: int, day: HistoryDay, session: Session) -> Iterator[str]:
    if len(day.times) and until < last_end(session, seconds, float(day.times[-1])) - seconds:
        yield f"{what} are recorded until {clock(datetime.fromtimestamp(until, UTC))} only"
