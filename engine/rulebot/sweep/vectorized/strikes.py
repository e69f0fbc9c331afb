"""Which options a bot's legs are at an instant: by the engine's own selection, cached for others.

`Picks.picked` computes them at all instants at once, for the plainest selectors, and says where that is clear.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import Columns, Places
from rulebot.backtest.arrays import MarketColumns, Mask
from rulebot.compile.plan import LegPlan
from rulebot.core.program import CompiledBot
from rulebot.evaluate.strike_terms import OFFSETS
from rulebot.evaluate.strikes import StrikeChooser, StructureSelection
from rulebot.evaluate.watch import MONEY_KEPT
from rulebot.measure.listings import BAND
from rulebot.measure.reading import HAIR, Column, LegColumns, Value
from rulebot.measure.view import LegView, View
from rulebot.measures.structure import net_column
from rulebot.model.black import MEAN_MOVE
from rulebot.model.contract import Option, Right
from rulebot.model.facts import Facts
from rulebot.spec.nouns import Bound, StrikeBy, StrikeRounding
from rulebot.sweep.vectorized.exit_orders import UNIT, Grid
from rulebot.sweep.vectorized.session_arrays import ArrayDay, OptionColumns

NONE = -1
"""In place of a column where there is no such option."""

# --- The two strikes around spot, instant by instant, and which of them a bot reads the expected move and iv from


class AtmNeighbours(NamedTuple):
    """The market at the money of one class. Shape of each: (T,).

    above: how many strikes lie below spot. nearest: the strike nearest to it; read: the one that is read when both are
    streamed, NONE where neither is quoted. Both count the strikes, and have columns in `calls` and `puts`. move: the
    expected move, nan where none is read. is_sound: whether the nearest is quoted.
    """

    strikes: Columns
    calls: NDArray[np.intp]
    puts: NDArray[np.intp]
    above: Places
    nearest: Places
    read: Places
    is_sound: Mask
    move: Columns


def enclosing(strikes: Columns, levels: Columns) -> tuple[Places, Places, Places, Mask]:
    """Return how many strikes lie below levels, the strikes on both sides, and whether there is one on each."""
    above = np.searchsorted(strikes, levels)
    low, high = np.clip(above - 1, 0, None), np.clip(above, None, len(strikes) - 1)
    return above, low, high, (above > 0) & (above < len(strikes))


def _around(day: ArrayDay, symbol: str, trading_class: str) -> AtmNeighbours | None:
    spot, every = day.level(symbol), np.arange(len(day.times))
    if spot is None or not day.is_even(trading_class):
        return None
    calls, puts = (day.sides[trading_class, right] for right in (Right.CALL, Right.PUT))
    strikes = day.strikes[calls]
    above, low, high, is_inside = enclosing(strikes, np.round(spot, 4))
    nearest = np.where(np.abs(strikes[low] - spot) <= np.abs(strikes[high] - spot), low, high)
    other = low + high - nearest

    def quoted(strike: Places) -> Mask:
        return np.asarray(is_inside & ~day.is_odd[calls[strike], every] & ~day.is_odd[puts[strike], every])

    is_sound = quoted(nearest)
    read = np.where(is_sound, nearest, np.where(quoted(other), other, NONE))
    pair = ((day.bid[each[read], every], day.ask[each[read], every]) for each in (calls, puts))
    straddle = sum((bid + ask) / 2.0 for bid, ask in pair)
    move = np.where(read >= 0, straddle * MEAN_MOVE, np.nan)
    return AtmNeighbours(strikes, calls, puts, above, nearest, read, is_sound, move)


def surely_read(found: AtmNeighbours, reached: int, end: int) -> Mask:
    """Return where a bot surely reads what it would with all strikes streamed.

    reached: the instant from which on its strikes are streamed; end: past the last one of the session. Shape: (T,).
    """
    sure = np.zeros(len(found.above), dtype=bool)
    above, nearest, read = found.above.tolist(), found.nearest.tolist(), found.read.tolist()
    is_sound = found.is_sound.tolist()
    streamed: set[int] = set()
    for place in range(reached, end):
        sure[place] = read[place] == NONE or read[place] in streamed
        around_spot = {above[place] - 1, above[place]}
        if is_sound[place] and nearest[place] in streamed:
            kept = range(above[place] - MONEY_KEPT, above[place] + MONEY_KEPT)
            streamed = around_spot | {strike for strike in streamed if strike in kept}
        else:  # for a moment it may not be known where the legs lie
            streamed = around_spot
    return sure


class AtMoney:
    """At-the-money data of one session, by symbol and trading class; made once, shared by all variants."""

    def __init__(self, day: ArrayDay) -> None:
        self._day = day
        self._around: dict[tuple[str, str], AtmNeighbours | None] = {}
        self._surely_read: dict[tuple[str, str, int], Mask] = {}
        self._hidden: dict[tuple[int, int, str, str], View] = {}

    def around(self, symbol: str, trading_class: str) -> AtmNeighbours | None:
        """Return the market at the money, None where calls and puts differ in their strikes."""
        key = (symbol, trading_class)
        if key not in self._around:
            self._around[key] = _around(self._day, symbol, trading_class)
        return self._around[key]

    def surely_read(self, symbol: str, trading_class: str, reached: int) -> Mask:
        """Return where a bot surely reads what it would with all strikes streamed, nowhere without any.

        reached: the instant from which on its strikes are streamed.
        """
        key = (symbol, trading_class, reached)
        if key not in self._surely_read:
            found = self.around(symbol, trading_class)
            self._surely_read[key] = self._nowhere() if found is None else surely_read(found, reached, self._day.end)
        return self._surely_read[key]

    def are_guessed(self, symbol: str, trading_class: str) -> Mask:
        """Say where it is sure about which strikes a bot asks for by what it reads (`evaluate.watch`)."""
        found = self.around(symbol, trading_class)
        return self._nowhere() if found is None else found.is_sound

    def _nowhere(self) -> Mask:
        return np.zeros(len(self._day.times), dtype=bool)

    def hidden_view_at(self, place: int, facts: tuple[int, Facts], symbol: str, trading_class: str) -> View:
        """Return the view of an instant for who has not got the strike nearest to spot yet."""
        key = (place, facts[0], symbol, trading_class)
        if key not in self._hidden:
            day = self._day
            board, near = day.board_at(place).copy(), self.around(symbol, trading_class)
            if near is not None:
                for columns in (near.calls, near.puts):
                    row = board.rows[day.options[columns[near.nearest[place]]]]
                    board.bid[row] = board.ask[row] = board.quote_at[row] = np.nan
            self._hidden[key] = day.view_of(board, facts[1])
        return self._hidden[key]


# --- Which options a bot's legs are at an instant

SAME = 2e-9
"""Two values that differ by more are not the same for the engine, which rounds them to 9 digits."""
NEAR = BAND - 1
"""Strikes by which legs may have moved in an instant, so that those of now are streamed.

One less than are streamed on each side: what is taken may lie one away from the guess, and a delta is chosen between
two.
"""


class StrikeChoice(NamedTuple):
    """The column of a leg's option at each instant; `is_clear` where the engine would choose no other."""

    columns: OptionColumns
    is_clear: NDArray[np.bool_]


class Outward(NamedTuple):
    """The options of a class and a right, and their absolute deltas at all instants.

    From the outermost inward: of two equally near ones the outer is meant. deltas: infinite where unknown. most, least:
    of the known ones. Shape: (C,), (C, T), (T,), (T,).
    """

    columns: OptionColumns
    deltas: Columns
    most: Columns
    least: Columns


class StrikeChoices:
    """The choices of one session. A leg's key identifies legs that are chosen alike."""

    def __init__(self, day: ArrayDay, at_money: AtMoney) -> None:
        self.day, self._at_money = day, at_money
        self._chosen: dict[Hashable, int] = {}
        self._picked: dict[Hashable, StrikeChoice | None] = {}
        self._picked_together: dict[tuple[int, ...], tuple[StrikeChoice, ...] | None] = {}
        self._beside: dict[Hashable, StrikeChoice] = {}
        self._outward: dict[tuple[str, Right], Outward] = {}
        self._asked_for: dict[Hashable, OptionColumns] = {}
        self._selections: dict[Hashable, StructureSelection] = {}

    def at(
        self, bot: CompiledBot, keys: tuple[int, ...], place: int, view: View, *, hidden: bool = False
    ) -> StructureSelection | None:
        """Return the structure that a bot would choose at an instant, None where there is none.

        hidden: the view lacks the strike nearest to spot.
        """
        picked = None if hidden else self.picked(bot.plan.legs, keys)
        if picked is not None and all(each.is_clear[place] for each in picked):
            columns = [int(each.columns[place]) for each in picked]
        else:
            columns = self._choose(bot, keys, place, view, hidden=hidden)
        if NONE in columns or len(set(columns)) < len(columns):
            return None
        known = (keys, *columns)
        if known not in self._selections:
            self._selections[known] = self._selected(bot.plan.legs, columns, view)
        return self._selections[known]

    def _selected(self, legs: tuple[LegPlan, ...], columns: list[int], view: View) -> StructureSelection:
        options, rows = (self.day.options[column] for column in columns), view.board.rows
        return StructureSelection(
            tuple(
                LegView(leg.name, option, rows[option], leg.sign, leg.ratio, leg.group)
                for leg, option in zip(legs, options, strict=True)
            ),
            (),
        )

    def _choose(self, bot: CompiledBot, keys: tuple[int, ...], place: int, view: View, *, hidden: bool) -> list[int]:
        """Return what the engine's own chooser takes, leg by leg up to the first that it has no option for."""
        plan = bot.plan
        chosen: dict[str, Option] = {}
        columns: list[int] = []
        for leg, key in zip(plan.legs, keys, strict=True):
            reference = chosen.get(leg.strike.reference or "")
            known: Hashable = (key, reference) if _is_fixed(leg) else (key, reference, place, hidden)
            if known not in self._chosen:
                chooser = StrikeChooser(leg, view, bot.expected_move, chosen, frozenset(), explain=False)
                option = chooser.choose().option
                self._chosen[known] = NONE if option is None else self.day.columns.get(option, NONE)
            columns.append(self._chosen[known])
            if columns[-1] == NONE:
                break
            chosen[leg.name] = self.day.options[columns[-1]]
        return columns

    def asks_near(self, legs: tuple[LegPlan, ...], place: int) -> bool:
        """Say whether each wanted delta is near its place of an instant ago, whatever uses it."""
        for leg in legs:
            if leg.strike.by is StrikeBy.DELTA:
                now, then = self.day.ranks[self._asked(leg)[[place, place - 1]]]
                if abs(now - then) > NEAR:
                    return False
        return True

    def _asked(self, leg: LegPlan) -> OptionColumns:
        key = (leg.trading_class, leg.right, leg.strike.target)
        if key not in self._asked_for:
            self._asked_for[key] = self._nearest(leg, self.day.sides[leg.trading_class, leg.right]).columns
        return self._asked_for[key]

    # ------------------------------------------------------------ at all instants

    def picked(self, legs: tuple[LegPlan, ...], keys: tuple[int, ...]) -> tuple[StrikeChoice, ...] | None:
        """Return the options of each leg at all instants, None where a selector is not plain."""
        if keys not in self._picked_together:
            self._picked_together[keys] = self._all_picked(legs, keys)
        return self._picked_together[keys]

    def _all_picked(self, legs: tuple[LegPlan, ...], keys: tuple[int, ...]) -> tuple[StrikeChoice, ...] | None:
        found: dict[str, tuple[Hashable, StrikeChoice]] = {}
        for leg, key in zip(legs, keys, strict=True):
            reference = found.get(leg.strike.reference or "")
            known = (key, None if reference is None else reference[0])
            if known not in self._picked:
                self._picked[known] = self._of_leg(leg, None if reference is None else reference[1])
            picked = self._picked[known]
            if picked is None:
                return None
            found[leg.name] = (known, picked)
        return tuple(picked for _, picked in found.values())

    def _of_leg(self, leg: LegPlan, reference: StrikeChoice | None) -> StrikeChoice | None:
        side = self.day.sides.get((leg.trading_class, leg.right))
        if not _is_plain(leg) or side is None or leg.strike.target is None or not self.day.is_even(leg.trading_class):
            return None
        if leg.strike.by is StrikeBy.DELTA:
            return self._nearest(leg, side)
        if leg.strike.by is StrikeBy.EXPECTED_MOVE:
            return self._at_moves(leg, side)
        if reference is None:
            return None
        beside = self._steps(leg, side)
        columns = np.where(reference.columns >= 0, beside.columns[reference.columns], NONE)
        return StrikeChoice(columns, reference.is_clear & beside.is_clear[reference.columns])

    def _nearest(self, leg: LegPlan, side: OptionColumns) -> StrikeChoice:
        """Return the options nearest to a delta; clear where it is between known ones and no other is as near."""
        outward, target = self._outward_of(leg, side), float(leg.strike.target or 0)
        away = np.abs(outward.deltas - target)
        nearest, places = away.argmin(axis=0), np.arange(away.shape[1])
        least = away[nearest, places]
        away[nearest, places] = np.inf
        with np.errstate(invalid="ignore"):  # where nothing is known
            is_clear = (away.min(axis=0) - least > SAME) & (outward.most >= target) & (outward.least <= target)
        if leg.strike.within is not None:
            is_clear[:] = False
        return StrikeChoice(outward.columns[nearest], is_clear)

    def _at_moves(self, leg: LegPlan, side: OptionColumns) -> StrikeChoice | None:
        """Return the options nearest to this many expected moves from spot, by all listed strikes."""
        found = self._at_money.around(leg.symbol, leg.trading_class)
        spot = self.day.level(leg.symbol)
        if found is None or spot is None:
            return None
        sign = 1.0 if leg.right is Right.CALL else -1.0
        wanted = spot + sign * float(leg.strike.target or 0) * found.move
        is_known = ~np.isnan(wanted)
        wanted = np.where(is_known, wanted, 0.0)
        _, low, high, is_inside = enclosing(found.strikes, wanted)
        below, beyond = wanted - found.strikes[low], found.strikes[high] - wanted
        nearest = np.where(below < beyond, low, high)
        is_clear = is_known & is_inside & (np.abs(below - beyond) > HAIR)
        if leg.strike.within is not None:
            is_clear[:] = False
        return StrikeChoice(side[nearest], is_clear)

    def _outward_of(self, leg: LegPlan, side: OptionColumns) -> Outward:
        key = (leg.trading_class, leg.right)
        if key not in self._outward:
            columns = side[::-1] if leg.right is Right.CALL else side
            deltas = np.abs(self.day.delta[columns])
            most, least = np.fmax.reduce(deltas, axis=0), np.fmin.reduce(deltas, axis=0)
            self._outward[key] = Outward(columns, np.where(np.isnan(deltas), np.inf, deltas), most, least)
        return self._outward[key]

    def _steps(self, leg: LegPlan, side: OptionColumns) -> StrikeChoice:
        """Return by column the option this many points above or below it."""
        assert leg.strike.target is not None
        key = (leg.trading_class, leg.right, leg.strike.by, leg.strike.target)
        if key not in self._beside:
            sign = 1 if leg.strike.by is StrikeBy.ABOVE else -1
            strikes, along = self.day.strikes, self.day.strikes[side]  # rising
            wanted = strikes + sign * float(leg.strike.target)
            place = np.searchsorted(along, wanted)
            pair = np.clip((place - 1, place), 0, len(along) - 1)
            beyond = (place - 1 < 0, place >= len(along))
            away = np.where(sign * (along[pair] - strikes) > 0, np.abs(along[pair] - wanted), np.inf)
            away[np.array(beyond)] = np.inf
            further = 1 if leg.right is Right.CALL else 0  # of two that are as near the further out is meant
            is_further = away[further] <= away[1 - further]
            nearest = np.where(is_further, pair[further], pair[1 - further])
            least = away.min(axis=0)
            with np.errstate(invalid="ignore"):  # where there is none
                is_one = away.max(axis=0) - least > SAME
            self._beside[key] = StrikeChoice(np.where(np.isfinite(least), side[nearest], NONE), is_one)
        return self._beside[key]


def _is_fixed(leg: LegPlan) -> bool:
    """Say whether a leg follows from the one that it refers to, whatever the market does."""
    strike = leg.strike
    return strike.by in (*OFFSETS, StrikeBy.AT_LEG) and strike.min_otm_distance is None


def _is_plain(leg: LegPlan) -> bool:
    strike = leg.strike
    bounds = (strike.round_to, strike.prefer_round_to, strike.min_otm_distance, strike.min_strike)
    is_nearest = strike.bound is Bound.NEAREST and strike.round is StrikeRounding.NEAREST and not strike.widths
    is_one = strike.by in (StrikeBy.DELTA, StrikeBy.EXPECTED_MOVE, *OFFSETS)
    return is_nearest and is_one and not any(each is not None for each in bounds)


# --- What a bot would enter, as arrays over the instants of a session

TICK = 0.11
"""How far the price at which an order starts may lie from mid or natural: a step of the dearest grid, and a hair."""


class CandidateLeg(LegColumns):
    """A leg of what a bot would enter, whose option changes from instant to instant; nan where it has none."""

    def __init__(self, day: ArrayDay, name: str, columns: OptionColumns, sign: int) -> None:
        self.name, self.weight, self._day, self._columns = name, sign, day, columns
        self._places = np.arange(len(day.times))

    def quote(self, *, closing: bool) -> tuple[Columns, Columns] | None:
        """Return bid and ask as they count for an opening order: no bid is 0."""
        if closing:
            return None
        day, at = self._day, (self._columns, self._places)
        bid, ask, is_there = np.where(day.is_unwanted[at], 0.0, day.bid[at]), day.ask[at], self._columns >= 0
        return (bid, ask) if is_there.all() else (np.where(is_there, bid, np.nan), np.where(is_there, ask, np.nan))


class Candidate(MarketColumns):
    """The market, and a bot's candidate.

    starts: `natural`, `mid` or `market`, where its order starts, "" at its own price; grid: of its prices. keys: of its
    legs among other variants' legs; known: arrays shared with others.
    """

    def __init__(
        self,
        market: MarketColumns,
        legs: Sequence[CandidateLeg],
        starts: str,
        grid: Grid,
        keys: tuple[int, ...],
        known: dict[object, Value | None],
    ) -> None:
        super().__init__(market.day)
        self.legs = legs
        self._market, self._starts, self._grid, self._keys, self._known = market, starts, grid, keys, known

    def of_board(self, symbol: str, name: str) -> Value | None:
        """Return the open, high, low or previous close of an underlying."""
        return self._market.of_board(symbol, name)

    def opening_move(self, symbol: str) -> Value | None:
        """Return the expected move of the open that bots get."""
        return self._market.opening_move(symbol)

    def kept(self, key: object, make: Callable[[], Value | None]) -> Value | None:
        """Return what `make` makes, once for all variants with the same legs."""
        known = (self._keys, key)
        if known not in self._known:
            self._known[known] = make()
        return self._known[known]

    def entry_price(self, at: str) -> Column | Value | None:
        """Return what it brings per share at its quotes, or where its order starts (`order.ladder.start_net`)."""
        if at != "start":
            return net_column(self, at, closing=False)
        if self._starts not in ("mid", "natural"):
            return None
        wanted, natural = (net_column(self, each, closing=False) for each in (self._starts, "natural"))
        assert wanted is not None
        assert natural is not None
        is_known = ~np.isnan(wanted + natural)
        up, down = (np.where(is_known, price, 0.0) for price in (wanted, natural))
        above, least = self._grid.up(up), self._grid.down(down)
        if not (above.is_clear & least.is_clear).all():
            return Column(wanted, TICK)
        return Column(np.where(is_known, np.maximum(above.units, least.units) / UNIT, np.nan))
