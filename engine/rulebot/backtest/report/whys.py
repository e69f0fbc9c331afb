"""The why of each trade for a report: what every rule said when it was entered, and when it was left.

What a closing order leaves over goes when it expires, which may be days after an exit acted: then that one tells why.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from rulebot.backtest.result_rows import ClosedTrade
from rulebot.model.session import EXCHANGE_ZONE, exchange_date
from rulebot.narrate.explain_text import instant_lines
from rulebot.record.explain import state_at
from rulebot.record.record import Kind, Record
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

MOST = 1000
"""Trades whose why is written out; those before say where it is kept."""


def reasons_of(store: Place, trades: Sequence[ClosedTrade]) -> dict[str, str]:
    """Return the why of the last trades, by name. Raises: StoreError."""
    found = {}
    with StoreReader(store) as reader:
        acted = _acted(reader.records((Kind.DECISION,)))

        @lru_cache(maxsize=4)
        def day(bot: str, at: datetime) -> tuple[Record, ...]:
            return tuple(reader.day(bot, exchange_date(at)))

        for trade in trades[-MOST:]:
            instants = [("entered", trade.entered), ("left", trade.left)]
            began = acted.get((trade.name, trade.reason))
            if began is not None and trade.left is not None and began[:10] < trade.left[:10]:
                instants.insert(1, (f"{trade.reason} acted", began))
            parts = [trade.why]
            for word, text in instants:
                if text is not None:
                    at = datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_ZONE)
                    records = day(trade.bot, at.replace(hour=0, minute=0, second=0, microsecond=0))
                    parts += ["", f"{word} {text[:19]}", *_lines(trade.bot, records, at)]
            found[trade.name] = "\n".join(parts)
    return found


def _acted(decisions: Iterable[Record]) -> Mapping[tuple[str, str], str]:
    """Return when the exits of positions acted last, by position and exit, as the views of a store tell times."""
    found = {}
    for each in decisions:
        if each.data["what"] == "exit":
            found[each.position, str(each.data["reason"])] = f"{each.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
    return found


def _lines(bot: str, records: Iterable[Record], at: datetime) -> list[str]:
    known = list(records)
    return instant_lines(bot, state_at(known, at)) if known else ["nothing was recorded then"]
