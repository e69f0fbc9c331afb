"""Short options that no long leg and no shares cover, and that no exit watches any more.

Others closed what covered them, as the broker that liquidates the long leg, or the position is on hold, so that no exit
acts. Such a leg can lose without limit. A stop of `protect` protects it; otherwise it is bought back at market, as
`max_time_without_stop` says or after `CLOSED_AFTER`, and never more of it than the account holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from fractions import Fraction
from math import ceil

from rulebot.model.contract import LOT, Option, Right
from rulebot.model.position import Position, PositionLeg

LOST_COVER = "lost_cover"
"""The reason of an exit that buys back short legs that have lost their cover."""
LIQUIDATION = "liquidation"
"""The reason of an exit that closes what was to close together with a leg that the broker liquidated."""
CLOSED_AFTER = timedelta(minutes=1)
"""How long a short leg that lost its cover may be without protection if its spec says nothing."""


def lost_cover(position: Position) -> dict[str, int]:
    """Return by leg how many short contracts no longer have the cover with which the position was opened.

    Of what the account holds. A short leg that was never covered has lost nothing.
    """
    found: dict[str, int] = {}
    for shorts, covers in _by_kind(position.common.legs):
        found |= _shared(shorts, _without(shorts, covers))
    return found


def _by_kind(legs: Sequence[PositionLeg]) -> Iterator[tuple[list[PositionLeg], list[PositionLeg]]]:
    """Yield the short legs of each symbol and right, and the legs that cover them."""
    for symbol, right in dict.fromkeys((leg.option.symbol, leg.option.right) for leg in legs if _is_short(leg)):
        shorts = [leg for leg in legs if _is_short(leg) and (leg.option.symbol, leg.option.right) == (symbol, right)]
        yield shorts, [leg for leg in legs if _covers(leg, shorts)]


def _shared(shorts: Iterable[PositionLeg], left: Fraction) -> dict[str, int]:
    """Return this many uncovered shares as contracts of these legs, the first ones first."""
    found = {}
    for leg in shorts:
        if left > 0 and leg.held > 0:
            found[leg.name] = min(leg.held, ceil(left / leg.option.multiplier))
            left -= found[leg.name] * leg.option.multiplier
    return found


def lost_to_others(position: Position) -> dict[str, int]:
    """Return the same where others have closed something that covered them, and nothing where we have."""
    if not (position.account_missing or position.closed_by_others):
        return {}
    if not (found := lost_cover(position)):
        return {}
    shorts = [leg for leg in position.legs if _is_short(leg) and leg.name in found]
    covers = [leg.name for leg in position.legs if _covers(leg, shorts)]
    is_by_others = any(position.absent(name) or name in position.closed_by_others for name in covers)
    return found if is_by_others else {}


def uncovered(position: Position) -> dict[str, int]:
    """Return by leg how many short contracts of what the account holds no long leg and no shares cover."""
    found: dict[str, int] = {}
    for shorts, covers in _by_kind(position.common.legs):
        found |= _shared(shorts, _shares(shorts, "held") - _shares(covers, "held"))
    return found


def without_cover(position: Position) -> dict[str, int]:
    """Return the short contracts, by leg, that must be protected at the broker or bought back.

    While its exits act, those that others have taken the cover of; on hold, all that nothing covers.
    """
    return uncovered(position) if position.is_frozen else lost_to_others(position)


def buys_back(position: Position) -> bool:
    """Say whether rulebot buys back short legs of a position that is on hold."""
    return position.exit_reason == LOST_COVER and position.may_buy_back


def left_by_liquidation(position: Position) -> dict[str, int]:
    """Return by leg the contracts without partners since the broker liquidated a leg of their group.

    Whole structures of a group stay. The rest would close at another price than the liquidated leg, and could lose more
    than the bound of the trade (`model/loss_bound.py`).
    """
    legs, found = position.common.legs, {}
    for group in {leg.group for leg in legs if leg.name in position.liquidated}:
        own = [leg for leg in legs if leg.group == group]
        whole = min(leg.held // leg.ratio for leg in own)
        found.update({leg.name: leg.held - whole * leg.ratio for leg in own if leg.held > whole * leg.ratio})
    return found


def _is_short(leg: PositionLeg) -> bool:
    return leg.sign < 0 and not leg.option.is_share


def _covers(leg: PositionLeg, shorts: Iterable[PositionLeg]) -> bool:
    """Say whether a leg covers one of these short legs of one symbol and right."""
    return any(leg.option.symbol == short.option.symbol and _covers_option(leg, short.option) for short in shorts)


def _covers_option(leg: PositionLeg, short: Option) -> bool:
    if leg.option.is_share:
        return leg.sign == (1 if short.right is Right.CALL else -1)
    return leg.sign > 0 and leg.option.right is short.right and leg.option.expiry >= short.expiry


def _without(shorts: Iterable[PositionLeg], covers: Iterable[PositionLeg]) -> Fraction:
    """Return what these short legs hold beyond what is covered as it was at first, in shares."""
    sold, bought = _shares(shorts, "opened"), _shares(covers, "opened")
    if not bought or not sold:
        return Fraction(0)
    share = min(Fraction(bought, sold), Fraction(1))
    return _shares(shorts, "held") - _shares(covers, "held") / share


def _shares(legs: Iterable[PositionLeg], what: str) -> Fraction:
    """Return what legs move in shares. A lot that is not whole counts as one: an option is closed whole."""
    counts = ((leg, max(getattr(leg, what), 0)) for leg in legs)
    moved = (-(-count // LOT) * LOT if leg.option.is_share else count * leg.option.multiplier for leg, count in counts)
    return Fraction(sum(moved))
