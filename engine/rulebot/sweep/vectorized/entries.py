"""Entries of variants of one kind: when each is sent, and its result, where all its columns are certain."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import Columns, Places
from rulebot.backtest.arrays import Mask, Measure, may_hold, surely_holds
from rulebot.compile.plan import Truth
from rulebot.model.contract import LOT
from rulebot.order.price import LEAST_BAND
from rulebot.spec.nouns import Unit
from rulebot.sweep.vectorized.entry_window import STREAMED_IN, ArrayBot
from rulebot.sweep.vectorized.exit_orders import (
    UNIT,
    Cents,
    Orders,
    Quotes,
    UndecidedByArrays,
    Units,
    least_payoffs,
    surely_lost_below,
)
from rulebot.sweep.vectorized.grouping import VariantGroup, kind_of
from rulebot.sweep.vectorized.session import ArraySession, Entries, LeavingTogether, ResultSheet, SessionResult
from rulebot.sweep.vectorized.strikes import NEAR

_NEAR = 1e-6
"""Dollars or points by which two numbers must differ for it to be clear which is larger."""


class EnteringTogether:
    """Entries of one session."""

    def __init__(self, sheet: ResultSheet) -> None:
        self._sheet, self._day, self._group, self._session = sheet, sheet.day, sheet.group, sheet.session

    def entries(self) -> Entries | None:
        """Return the entries that were filled, None without any."""
        day, group = self._day, self._group
        starts, ends, instants = group.clock(day)
        ends = np.minimum(ends, self._halts(starts))
        firsts, lasts = (np.searchsorted(day.times, at) for at in (starts, ends))
        is_fit = not any(at not in day.places for at in instants) and not (starts < 0.0).any()
        is_fit = is_fit and day.is_of_lots and all(side in day.sides for side in group.bots[0].sides)
        every, rows = np.arange(len(day.times)), np.flatnonzero(starts < ends)
        window = (every >= firsts[:, None]) & (every < lasts[:, None])
        later = self._later(starts, ends)
        if later is not None:
            window &= later >= 0.0
        masks = self._masks(window, self._uncertain(starts, later)) if is_fit else None
        if masks is None:
            self._sheet.leave_alone(rows)
            return None
        may, sure, columns, is_clear = masks
        rows = rows[may[rows].any(axis=1)]
        places = may[rows].argmax(axis=1)
        picks = group.picks[1][rows]
        chosen = columns[picks, :, places]
        reached = day.reached_from(starts[rows])
        fine = sure[rows, places] & is_clear[picks, places] & _differ(chosen)
        for side in group.bots[0].by_delta:
            fine &= day.are_ordered(*side, reached, places)
        fine &= ~day.is_odd[chosen, places[:, None]].any(axis=1)
        is_near = self._is_near(columns, is_clear, picks, places, reached)
        if later is not None:
            after = later[rows, places]
            fine &= (after >= STREAMED_IN) | is_near
        else:  # what is not streamed yet is sent as soon as it is
            after = np.where(is_near, 0.0, STREAMED_IN)
        self._sheet.leave_alone(rows[~fine])
        return self._sent(rows[fine], places[fine], chosen[fine], after[fine]) if fine.any() else None

    def _halts(self, starts: Columns) -> Columns:
        """Return when each variant is halted, in seconds after the open: at once where that is not clear."""
        group, day = self._group, self._day
        firsts, of = group.halts
        bots = [group.bots[row] for row in firsts]
        facts = [day.facts_of(bot.program, bot.needs) for bot in bots]
        halts = map(self._session.entering.conditions.first_halt, bots, facts)
        found = np.array([np.nan if each is None else each for each in halts])[of]
        is_clear = ~np.isnan(found) & (starts >= bots[0].opened_at(facts[0][1]))
        self._sheet.leave_alone(np.flatnonzero(~is_clear))
        return np.where(is_clear, found, -np.inf)

    def _uncertain(self, starts: Columns, later: Columns | None) -> Mask | None:
        """Return where it is not sure what each variant reads at the money, None when they do not read there.

        Shape: (N, T).
        """
        bot, conditions = self._group.bots[0], self._session.entering.conditions
        if bot.money is None:
            return None
        reached = self._day.reached_from(starts).tolist()
        known = {each: conditions.at_money.surely_read(*bot.money, each) for each in set(reached)}
        found = ~np.array([known[each] for each in reached])
        return found if later is None else found & (later < STREAMED_IN)

    def _later(self, starts: Columns, ends: Columns) -> Columns | None:
        """Return how many seconds after each instant the grid of `every` has its first look, -1 where it has none.

        Shape: (N, T). None without a grid: then there is one at each instant.
        """
        every, day = self._group.plan.entry.every, self._day
        if every is None:
            return None
        at = np.ceil((day.times - starts[:, None]) / every) * every + starts[:, None]
        until = np.minimum(day.times + day.rooms(np.arange(len(day.times))), ends[:, None])
        return np.where(at < until, at - day.times, -1.0)

    def _is_near(self, columns: Places, is_clear: Mask, picks: Places, places: Places, reached: Places) -> Mask:
        """Say whether legs are among the strikes around those of the instant before (`Window`)."""
        before = np.maximum(places - 1, 0)
        ranks = self._day.ranks
        now, then = columns[picks, :, places], columns[picks, :, before]
        is_near = (np.abs(ranks[now] - ranks[then]) <= NEAR) & (then >= 0)
        guesses = self._session.entering.conditions.surely_guesses(self._group.bots[0])
        if guesses is not None:
            is_near &= guesses[before][:, None]
        return np.asarray((places > reached) & is_clear[picks, before] & is_near.all(axis=1))

    def _masks(self, window: Mask, uncertain: Mask | None) -> tuple[Mask, Mask, Places, Mask] | None:
        """Return when each variant may enter and when it certainly would, and each choice of legs.

        uncertain: where their at-the-money readings are not certain.

        Shape: (N, T); columns (choices, legs, T) and whether they are clear (choices, T). None where unknown.
        """
        group, entering = self._group, self._session.entering
        firsts, _ = group.picks
        every = [entering.picks.picked(group.bots[row].plan.legs, group.bots[row].keys) for row in firsts]
        known = [each for each in every if each is not None]
        if len(known) < len(every):
            return None
        may, sure, unknown = window, np.ones_like(window), list[int]()
        for place, (rows, of) in enumerate(group.when):
            tests = [(group.bots[row].plan.entry.when[place].test, entering.conditions.market.measure) for row in rows]
            if (masks := _judged(tests, window.shape[1])) is None:
                unknown.append(place)
                continue
            may, sure = may & masks[0][of], sure & masks[1][of]
        for place, (rows, of) in enumerate(group.require):
            bots = [group.bots[row] for row in rows]
            legs = (known[group.picks[1][row]] for row in rows)
            measures = (entering.candidate(*each).measure for each in zip(bots, legs, strict=True))
            tests = list(zip((bot.plan.require[place].test for bot in bots), measures, strict=True))
            if (masks := _judged(tests, window.shape[1])) is None:
                return None
            unruled = masks[0][of] if uncertain is None else masks[0][of] | uncertain
            may, sure = may & unruled, sure & masks[1][of]
        for place in unknown:
            one, other = self._judged_one_by_one(place, may, uncertain)
            may, sure = may & one, sure & other
        if uncertain is not None:
            sure &= ~uncertain
        columns = np.array([[leg.columns for leg in legs] for legs in known])
        is_clear = np.array([np.logical_and.reduce([leg.is_clear for leg in legs]) for legs in known])
        return may, sure, columns, is_clear

    def _judged_one_by_one(self, place: int, may: Mask, uncertain: Mask | None) -> tuple[Mask, Mask]:
        """Return where a condition of entry may be true and where it is for sure, by the engine's rule.

        It is judged wherever one of the variants may enter.
        """
        rows, of = self._group.when[place]
        conditions = self._session.entering.conditions
        one, other = (np.zeros((len(rows), may.shape[1]), dtype=bool) for _ in range(2))
        hidden = one.copy()
        for number, row in enumerate(rows):
            bot, these = self._group.bots[row], of == number
            facts = self._day.facts_of(bot.program, bot.needs)
            for at in np.flatnonzero(may[these].any(axis=0)).tolist():
                truth = conditions.holds(bot, place, at, facts)
                one[number, at], other[number, at] = truth is not False, truth is True
            if uncertain is None or not bot.when_at_money[place]:
                continue
            for at in np.flatnonzero((may & uncertain)[these].any(axis=0)).tolist():
                hidden[number, at] = conditions.holds(bot, place, at, facts, hidden=True) is not False
        found = one[of] if uncertain is None else one[of] | (hidden[of] & uncertain)
        return np.asarray(found), np.asarray(other[of])

    def _sent(self, rows: Places, places: Places, columns: Places, after: Columns) -> Entries:
        """Return what came of entries that are sent so long after an instant at most, unless a limit keeps them out."""
        group, day, plan, quantity = self._group, self._day, self._group.plan, self._group.plan.quantity
        quotes = self._sheet.quotes(columns, places, tuple(-sign for sign in group.signs))
        lowest = least_payoffs(self._sheet.strikes(columns), group.rights, group.signs)
        floor = np.maximum(self._floors(rows, lowest, quotes), surely_lost_below(self._sheet.strikes(columns), quotes))
        orders = Orders(quotes, plan.order, self._session.fills, floor)
        started = orders.started()
        worst = None if lowest is None else np.maximum(-started.units - lowest, 0)
        fine = started.is_clear & ~self._sheet.lacks_size(quotes, columns, places)
        fine &= self._may_be_sent(orders, started.units, worst, group.most[rows])
        worked = orders.work(day.rooms(places) - after, closing=False)
        worked = worked._replace(after=after + worked.after)
        commission = quotes.commission(worked.net, quantity)
        worst = None if lowest is None else np.maximum(-worked.net - lowest, 0)
        fine &= worked.is_clear & (commission.is_clear | ~worked.is_filled)
        fine &= worked.is_filled | (worked.is_unfilled & (plan.entry.again is None))  # others work on, or come again
        self._sheet.leave_alone(rows[~fine])
        return Entries(rows, places, columns, worked, commission.units, worst).only(fine & worked.is_filled)

    def _floors(self, rows: Places, lowest: Units | None, quotes: Quotes) -> Columns:
        """Return the least net price of each entry (`turn.bounds`); -inf without one."""
        stated, most = self._group.floor[rows], self._group.most[rows]
        if lowest is None:
            return stated
        left = (most - quotes.most_fees() * self._group.plan.quantity) / 100.0
        return np.asarray(np.maximum(stated, -lowest / UNIT - left / (LOT * self._group.plan.quantity)))

    def _may_be_sent(self, orders: Orders, started: Units, worst: Units | None, most: Cents) -> Mask:
        """Say which entries no limit keeps out, as far as that is clear (`decide.limits`)."""
        plan, quantity = self._group.plan, self._group.plan.quantity
        limit = self._group.bots[0].program.limits.price_band
        band = np.full(len(started), float(limit.value))
        if limit.unit is Unit.PERCENT:
            band = np.maximum(band / 100.0 * orders.quotes.worth(), float(LEAST_BAND))
        last = np.maximum(started / UNIT - float(plan.order.step or 0) * (plan.order.tries - 1), orders.natural)
        away = np.maximum(np.abs(started / UNIT - orders.mid), np.abs(last - orders.mid))
        fine = away < band - _NEAR - 1.0 / UNIT
        if worst is None:
            return fine & (plan.risk.undefined_risk and plan.risk.max_loss_per_trade is None)
        return np.asarray(fine & ((worst + orders.quotes.most_fees()) * quantity <= most))


def _judged(rules: Sequence[tuple[Truth, Measure]], size: int) -> tuple[Mask, Mask] | None:
    """Return when tests may be true, and when they are for sure. Shape: (tests, T). None where one is not known."""
    may: list[NDArray[np.bool_]] = []
    sure: list[NDArray[np.bool_]] = []
    for test, measure in rules:
        one, other = may_hold(test, measure, (size,)), surely_holds(test, measure, (size,))
        if one is None or other is None:
            return None
        may.append(one)
        sure.append(other)
    return np.array(may), np.array(sure)


def _differ(columns: Places) -> Mask:
    """Say which structures have an option for each leg, and no option twice."""
    ordered = np.sort(columns, axis=1)
    return np.asarray((ordered[:, 0] >= 0) & (np.diff(ordered, axis=1) > 0).all(axis=1))


# --- Sessions of variants of one kind, judged together


def live_together(session: ArraySession, group: VariantGroup) -> list[SessionResult | UndecidedByArrays]:
    """Return what came of a session for each variant of a kind."""
    sheet = ResultSheet(session, group)
    if not session.day.is_day_of(group.plan):
        return sheet.found
    entries = EnteringTogether(sheet).entries()
    if entries is not None and len(entries.rows):
        LeavingTogether(sheet).leave(entries)
    for row in sheet.alone:
        sheet.found[row] = session.live(group.bots[row])
    return sheet.found


# --- Variants by their kind

FEWEST = 4
"""Variants of a kind from which on it pays to judge them together."""
MOST = 2_000
"""Variants that are judged together at most: their columns are held in memory at once."""


class Groups:
    """All variants that run by arrays, by number."""

    def __init__(self, bots: Mapping[int, ArrayBot]) -> None:
        self._bots = bots
        kinds: dict[Hashable, list[int]] = {}
        for number, bot in bots.items():
            kinds.setdefault(kind_of(bot), []).append(number)
        self._together: list[tuple[list[int], VariantGroup]] = []
        self._alone: list[int] = []
        for kind, numbers in kinds.items():
            if len(numbers) < FEWEST or kind is None:
                self._alone += numbers
                continue
            for part in (numbers[since : since + MOST] for since in range(0, len(numbers), MOST)):
                self._together.append((part, VariantGroup([bots[number] for number in part])))

    def live(self, session: ArraySession) -> dict[int, SessionResult | UndecidedByArrays]:
        """Return what came of a session for each variant, or why that is not clear."""
        found = {number: session.live(self._bots[number]) for number in self._alone}
        for numbers, alike in self._together:
            found |= zip(numbers, live_together(session, alike), strict=True)
        return found
