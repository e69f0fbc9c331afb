"""Task T by hand: what one quote costs when a program is written for this one task and nothing else.

Incremental: each quote touches only the bots that hold or would sell that option; the option nearest to a delta is kept
up to date and shared by the bots that ask for the same one. No orders, no records, no reasons. An exit or entry fills
at the natural prices of the quote that led to it. `unsold` are bots whose long wing nobody bid for when they left.
"""

from benchmarks.task import Task
from benchmarks.workload import OPTION, STRIKES, VIX

NOISE = 1e-9
WAITING, ARMED, OPEN, DONE = range(4)

Trade = tuple[str, int, int, str, float, float]
"""Bot, minute of entry and of exit, reason, credit, cost."""


class Nearest:
    """The row of one side whose delta is nearest to a target; the lower row wins a tie."""

    __slots__ = ("best", "deltas", "gap", "rows", "target", "users")

    def __init__(self, rows: range, target: float, deltas: list[float]) -> None:
        self.rows, self.target, self.deltas = rows, target, deltas
        self.users: list[Bot] = []
        self.scan()

    def scan(self) -> None:
        self.best = min(self.rows, key=lambda row: abs(self.deltas[row] - self.target))
        self.gap = abs(self.deltas[self.best] - self.target)

    def follow(self, row: int, delta: float) -> bool:
        """Take a new delta; say whether another row is nearest now."""
        gap = abs(delta - self.target)
        before = self.best
        if row == before:
            if gap <= self.gap:
                self.gap = gap
                return False
            self.scan()
        elif gap < self.gap or (gap == self.gap and row < before):
            self.best, self.gap = row, gap
        else:
            return False
        return self.best != before


class Bot:
    """One bot's state: the legs it would sell, or holds."""

    __slots__ = ("call", "credit", "legs", "minute", "put", "state", "stop", "target", "task", "vix_fits")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.state = WAITING
        self.vix_fits = False
        self.legs: tuple[int, int, int, int] | None = None
        self.call: Nearest | None = None
        self.put: Nearest | None = None
        self.credit = self.stop = self.target = 0.0
        self.minute = 0


class Prototype:
    """All bots, with an index from each option to the bots that it concerns."""

    def __init__(self, tasks: list[Task]) -> None:
        self.bid = [0.0] * (2 * STRIKES)
        self.ask = [0.0] * (2 * STRIKES)
        self.delta = [9.0] * STRIKES + [-9.0] * STRIKES
        self.vix = 0.0
        self.now = -1
        self.trades: list[Trade] = []
        self.unsold: set[str] = set()
        self.bots = [Bot(task) for task in tasks]
        self.armed: list[Bot] = []
        self.holding: list[list[Bot]] = [[] for _ in range(2 * STRIKES)]
        self.wanting: list[list[Bot]] = [[] for _ in range(2 * STRIKES)]
        self.nearest: tuple[dict[float, Nearest], dict[float, Nearest]] = ({}, {})
        self.entered: list[Bot] = []
        self.fresh: list[Bot] = []
        self.forced: list[Bot] = []

    def minute(self, now: int) -> None:
        """Open and close windows; find the bots whose time is up."""
        self.now = now
        for bot in self.bots:
            if bot.state == ARMED and now == bot.task.last + 1:
                self._disarm(bot)
                bot.state = DONE
            elif bot.state == WAITING and now == bot.task.first:
                self._arm(bot)
        self.forced = [bot for bot in self.bots if bot.state == OPEN and now >= bot.task.until]
        self.fresh = list(self.armed)

    def event(self, kind: int, row: int, bid: float, ask: float, delta: float) -> None:
        """Take one quote as far as a decision; a position opened by the quote before is judged from this one on."""
        late = self.entered
        if late:
            self.entered = []
        if kind == OPTION:
            self.bid[row], self.ask[row], self.delta[row] = bid, ask, delta
            if self.holding[row]:
                for bot in tuple(self.holding[row]):
                    self._check(bot)
            if self.armed:
                self._candidates(row, delta)
        elif kind == VIX and bid != self.vix:
            self._level(bid)
        if late:
            for bot in late:
                self._check(bot)
        if self.forced:
            for bot in self.forced:
                self._check(bot)
            self.forced = []
        if self.fresh:
            for bot in self.fresh:
                self._try(bot)
            self.fresh = []

    # ------------------------------------------------------------ entering

    def _arm(self, bot: Bot) -> None:
        bot.state = ARMED
        self.armed.append(bot)
        task = bot.task
        bot.vix_fits = task.vix_low <= self.vix <= task.vix_high
        bot.call = self._share(0, task.delta)
        bot.put = self._share(1, -task.delta)
        bot.call.users.append(bot)
        bot.put.users.append(bot)
        self._aim(bot)

    def _share(self, side: int, target: float) -> Nearest:
        if (found := self.nearest[side].get(target)) is None:
            rows = range(side * STRIKES, (side + 1) * STRIKES)
            found = self.nearest[side][target] = Nearest(rows, target, self.delta)
        return found

    def _disarm(self, bot: Bot) -> None:
        self.armed.remove(bot)
        self._forget_legs(bot)
        for side, found in enumerate((bot.call, bot.put)):
            assert found is not None
            found.users.remove(bot)
            if not found.users:
                del self.nearest[side][found.target]

    def _forget_legs(self, bot: Bot) -> None:
        for row in bot.legs or ():
            self.wanting[row].remove(bot)
        bot.legs = None

    def _aim(self, bot: Bot) -> None:
        """Work out the four legs the bot would trade now."""
        self._forget_legs(bot)
        assert bot.call is not None
        assert bot.put is not None
        call, put = bot.call.best, bot.put.best
        if call + bot.task.wing < STRIKES <= put - bot.task.wing:
            bot.legs = (call, put, call + bot.task.wing, put - bot.task.wing)
            for row in bot.legs:
                self.wanting[row].append(bot)

    def _candidates(self, row: int, delta: float) -> None:
        touched: dict[int, Bot] = {}
        for found in tuple(self.nearest[row >= STRIKES].values()):
            if found.follow(row, delta):
                for bot in found.users:
                    self._aim(bot)
                    touched[id(bot)] = bot
        for bot in tuple(self.wanting[row]):
            touched[id(bot)] = bot
        for bot in touched.values():
            self._try(bot)

    def _level(self, vix: float) -> None:
        self.vix = vix
        for bot in tuple(self.armed):
            fits = bot.task.vix_low <= vix <= bot.task.vix_high
            if fits != bot.vix_fits:
                bot.vix_fits = fits
                self._try(bot)

    def _try(self, bot: Bot) -> None:
        if bot.state != ARMED or bot.legs is None or not bot.vix_fits:
            return
        call, put, far_call, far_put = legs = bot.legs
        credit = self.bid[call] + self.bid[put] - self.ask[far_call] - self.ask[far_put]
        if credit < bot.task.credit - NOISE:
            return
        self._disarm(bot)
        bot.state, bot.legs, bot.minute, bot.credit = OPEN, legs, self.now, credit
        bot.stop = bot.task.stop * credit - NOISE
        bot.target = bot.task.target * credit + NOISE
        for row in legs:
            self.holding[row].append(bot)
        self.entered.append(bot)

    # ------------------------------------------------------------ leaving

    def _check(self, bot: Bot) -> None:
        if bot.state != OPEN or bot.legs is None:
            return
        call, put, far_call, far_put = bot.legs
        cost = self.ask[call] + self.ask[put] - self.bid[far_call] - self.bid[far_put]
        limit = bot.task.leg_delta
        if cost >= bot.stop:
            reason = "too_dear"
        elif self.delta[call] > limit or -self.delta[put] > limit:
            reason = "leg_delta"
        elif cost <= bot.target:
            reason = "cheap"
        elif self.now >= bot.task.until:
            reason = "time"
        else:
            return
        self.trades.append((bot.task.name, bot.minute, self.now, reason, round(bot.credit, 2), round(cost, 2)))
        bot.state = DONE
        if not (self.bid[far_call] and self.bid[far_put]):
            self.unsold.add(bot.task.name)
        for row in bot.legs:
            self.holding[row].remove(bot)
