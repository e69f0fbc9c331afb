"""How far from the mid a person's own entries have filled, in widths: the fill model that a store of theirs gives.

Of each entry that has filled, wholly or in part, the quotes of its legs when they were chosen are on record, and so is
the mid at which the order was first priced. The part of the width by which the fill was worse than that mid is what a
model is made of; its median is taken, which a few strange fills do not move. Fills better than the mid count as at mid,
and worse than natural as natural. What such a model leaves out are entries that never filled: at prices that nobody
took; and those whose quotes are not on record, as of shares among the legs. Both are counted. What was rolled into is
none of a person's entries: its price is a part of that of one order, which closed another position too.
"""

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rulebot.backtest.fills import NATURAL_PART, FillModel
from rulebot.model.contract import LOT
from rulebot.model.errors import MisuseError
from rulebot.narrate.trade_text import is_opened
from rulebot.store.place import Place
from rulebot.store.queries import Row, StoreReader

LEAST = 10
"""Filled entries below which a store says too little."""


def calibrated(store: Place, shown: str) -> FillModel:
    """Return the model of a store's own fills, which says where no market made them.

    Raises: StoreError, MisuseError when they are too few.
    """
    with StoreReader(store) as reader:
        entries = reader.view("orders", purpose="entry")
        asked = {row["position"] for row in entries}
        every = [_part(row) for row in reader.view("trades") if _is_filled(row) and row["position"] in asked]
        missed = _missed(entries)
        pretended = reader.run().pretended
    parts = [part for part in every if part is not None]
    if len(parts) < LEAST:
        raise MisuseError(
            f"{shown} holds {len(parts)} filled entries with their quotes, {LEAST} are needed", "use --fills mid+0.25"
        )
    part = round(median(parts), 3)
    where = f"{shown}, {pretended}" if pretended else shown
    others = f"; {missed} entries never filled" if missed else ""
    unseen = len(every) - len(parts)
    others += f"; {unseen} without their quotes left out" if unseen else ""
    return FillModel(part, f"mid+{part:g} ({len(parts)} fills of {where}{others})")


def _is_filled(row: Row) -> bool:
    """Say whether an entry is over and has a price, be it of a part of what was asked for."""
    return is_opened(row) and row["entry_price"] is not None


def _missed(orders: Sequence[Row]) -> int:
    """Return how many positions were asked for in vain: all their orders are over, and nothing was filled."""
    others = {row["position"] for row in orders if row["status"] != "CANCELLED" or row["filled"]}
    return len({row["position"] for row in orders} - others)


def _part(row: Row) -> float | None:
    """Return by how many widths an entry filled worse than its mid, None where that is not on record."""
    if row["entry_mid"] is None:
        return None
    widths = [_width(leg) for leg in json.loads(row["legs"])]
    width = sum(each for each in widths if each is not None)
    if None in widths or width <= 0.0:
        return None
    given = float(row["entry_mid"]) - float(row["entry_price"])
    return min(max(given / width, 0.0), NATURAL_PART)


def _width(leg: Mapping[str, Any]) -> float | None:
    """Return what the width of a leg's quotes adds to that of the structure, per share; None without quotes."""
    if leg["bid"] is None or leg["ask"] is None:
        return None
    shares = LOT if not leg["strike"] else 1
    return (float(leg["ask"]) - float(leg["bid"])) * float(leg["ratio"]) / shares
