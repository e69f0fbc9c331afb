"""Draw a trial from a seed: the day, the market, the stretch around an entry window, and all that happens in it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import NamedTuple, TypeVar

from rulebot.chaos.scenario import (
    ACTS,
    CLOCK,
    NOT_ELSEWHERE,
    REQUESTS,
    ChaosScenario,
    Crash,
    Entry,
    OperatorAction,
    ScenarioMoment,
)
from rulebot.chaos.spec_files import (
    DOCUMENTS,
    EDITED,
    OF_ACCOUNT,
    OF_EXTENDED,
    RELOADS,
    Reload,
    drawn,
    of_account,
    of_extended,
)
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.errors import MisuseError
from rulebot.model.session import EXCHANGE_ZONE, Session, exchange_date, session_after, session_from
from rulebot.spec.diagnostic import did_you_mean
from twsim import AFTER_CLOSE, BEFORE_OPEN, KINDS, STANDING, fault_labels

Value = str | int | float | bool

CRASHES = ("crash", "power_cut")
NEED_TIME = frozenset({"slow", "silence"})
"""Kinds without a meaning in lockstep, where time waits: with them time runs."""
LABELS_NOT_DRAWN = frozenset({"wrong_account none"})
"""A client that waits for an account stops the clock of a lockstep run."""
NOT_DRAWN = frozenset({"short_day"})
"""What changes a whole day, by which a trial's other times are drawn."""
CHOICE = (*(kind for kind in KINDS if kind not in NOT_DRAWN), CLOCK, *CRASHES, *ACTS, *RELOADS, *DOCUMENTS)
DELAYS = (0.0, 0.0, 0.002, 0.05, 0.4)
"""Transit seconds of messages, while time runs."""

DAYS = (date(2026, 10, 21), date(2026, 10, 21), date(2026, 10, 22), date(2026, 11, 3), date(2026, 11, 27))
"""The last one closes at 13:00."""
EVES = (date(2026, 10, 21), date(2026, 10, 22), date(2026, 10, 30), date(2026, 11, 25))
"""Days before a night: one before the clocks change over a week-end, one before a holiday and a half day."""
SHARES = 1000
MARKETS = (None, None, None, "whipsaw", "calm", "trend_down", "trend_up", "bad_quotes", "vix_spike", "dislocation")
LISTS = ("orders", "positions", "executions", "completed")
ACCOUNT_KINDS: tuple[str, ...] = ("person_closes", "person_closes_part", "person_adds", "person_cancels")
ACCOUNT_KINDS += ("person_halves", "person_closes_leg", "person_cancels_all")
SELLS_SHARES = "person_sells_shares"
"""Drawn only where the account holds shares."""
ACCOUNT_KINDS += ("strange_order", "liquidation", "assignment")
SYMBOLS = ("all", "all", "SPX", "SPY")
STRETCHES = (12, 20, 30, 45)
"""Minutes with faults."""
CALM_BEFORE_CLOSE = timedelta(minutes=20)
EVENINGS, MORNINGS = (15, 30, 45), (1, 5, 15, 30)
"""Minutes before a close and after the next open with faults, over a night."""
LEFT_OF_A_WINDOW = timedelta(minutes=10)
MOST_UNKNOWN = 2
"""Writes of `commit_unknown`: each ends the engine, by design, so 90 of them would end every start of a trial."""
EARLY = 120
"""Seconds after the beginning within which half of the changes of specs come, more often than not before entries."""
NEAR_NIGHT = 600
"""Seconds before and after a night that a third of the instants fall into."""
MANY = frozenset({"duplicate", "execution_first", "late_commission", "unset_commission", "no_commission", "warning"})
MANY |= {"late_fill", "correction", "no_summary", "late_summary", "late_leg", "lost_execution"}
"""Kinds of orders and fills that may meet each of them; others meet one, or an engine could never do anything."""


def chosen_kinds(text: str | None) -> tuple[str, ...]:
    """Return the kinds of a comma-separated list, all of them without one. Raises: MisuseError."""
    if text is None:
        return CHOICE
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in CHOICE:
            hint = did_you_mean(name, CHOICE)
            listed = f"there is {', '.join(CHOICE)}"
            raise MisuseError(f"no kind of fault is '{name}'", f"{hint} {listed}" if hint else listed)
    if not names:
        raise MisuseError("--faults names no kind", f"there is {', '.join(CHOICE)}")
    return tuple(dict.fromkeys(names))


def labels_of(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return every name under which faults of these kinds may be counted, in the order of the kinds."""
    found: list[str] = []
    for kind in kinds:
        if kind in CRASHES:
            found += [f"{kind} {moment.value}" for moment in ScenarioMoment]
        elif kind in (*ACTS, CLOCK, *RELOADS, *DOCUMENTS):
            found.append(kind)
        else:
            found += [each for each in fault_labels(kind) if each not in LABELS_NOT_DRAWN]
    return tuple(found)


class TimeSpan(NamedTuple):
    """The time of faults. night: from the last instant of one session to the first of the next, without trading."""

    begins: datetime
    calm_at: datetime
    night: tuple[datetime, datetime] | None = None

    @property
    def seconds(self) -> int:
        """How long it is, without the night."""
        return int((self.calm_at - self.begins - self._away).total_seconds())

    @property
    def evening(self) -> int:
        """How many seconds of it come before the night."""
        return 0 if self.night is None else int((self.night[0] - self.begins).total_seconds())

    def after(self, seconds: int) -> datetime:
        """Return the instant this many seconds after it began."""
        at = self.begins + timedelta(seconds=seconds)
        return at if self.night is None or at <= self.night[0] else at + self._away

    @property
    def _away(self) -> timedelta:
        return timedelta(0) if self.night is None else self.night[1] - self.night[0]


def draw(
    seed: int, desk: LoadedBots, kinds: Sequence[str], *, whole_day: bool = False, overnight: bool = False
) -> ChaosScenario:
    """Return the trial of a seed."""
    chance = Random(f"chaos {seed}")
    session = session_from(chance.choice(EVES if overnight else DAYS))
    market = chance.choice(MARKETS)
    stretch = (_over_night if overnight else _stretch)(chance, desk, session, whole_day=whole_day)
    shares = shares_wanted(desk)
    gateway = _of_gateway(desk, kinds, has_shares=bool(shares))
    crashing = [kind for kind in kinds if kind in CRASHES]
    faults = _some(chance, gateway, (1, 1, 2, 2, 3, 4, 6), _fault, stretch)
    crashes = _some(chance, crashing, (0, 1, 1, 2, 3, 5) if gateway else (1, 2, 3, 5), _crash, stretch)
    acting = [kind for kind in kinds if kind in ACTS]
    acts = _some(chance, acting, (0, 0, 1, 1, 2) if gateway or crashing else (1, 2, 3), _act, stretch)
    reloads, ends_beside = _reloads(seed, desk, kinds, stretch)
    documents = _documents(seed, desk, kinds, stretch)
    lockstep = not any(fault["kind"] in NEED_TIME for fault in faults) and chance.random() < 0.5
    if not lockstep:
        faults = tuple(_without_lockstep(chance, fault) for fault in faults)
    return ChaosScenario(
        seed=seed,
        day=session.date,
        market=market,
        begins=stretch.begins,
        calm_at=stretch.calm_at,
        ends_with_day=whole_day,
        faults=faults,
        crashes=(*crashes, *ends_beside, *documents.ends),
        acts=acts,
        reloads=tuple(sorted((*reloads, *documents.changes), key=lambda each: each.at)),
        names_account=documents.names_account,
        lockstep=lockstep,
        shares=shares,
        delay=0.0 if lockstep else chance.choice(DELAYS),
    )


Drawn = TypeVar("Drawn")


def _some(
    chance: Random,
    kinds: Sequence[str],
    counts: Sequence[int],
    make: Callable[[Random, str, TimeSpan], Drawn],
    stretch: TimeSpan,
) -> tuple[Drawn, ...]:
    """Return as many acts of these kinds as one of `counts`, drawn; none without kinds."""
    if not kinds:
        return ()
    return tuple(make(chance, chance.choice(kinds), stretch) for _ in range(chance.choice(counts)))


def _of_gateway(desk: LoadedBots, kinds: Sequence[str], *, has_shares: bool) -> list[str]:
    """Return the kinds that the gateway has; shares are sold only where there are any."""
    elsewhere = {*CRASHES, *ACTS, *RELOADS, *DOCUMENTS, *NOT_ELSEWHERE}
    structures = (each.plan for bot in desk.bots.values() for each in bot.structures())
    sells = has_shares or any(leg.is_shares for plan in structures for leg in plan.legs)
    return [kind for kind in kinds if kind not in elsewhere and (sells or kind != SELLS_SHARES)]


def shares_wanted(desk: LoadedBots) -> tuple[tuple[str, int], ...]:
    """Return the shares of an account at the start: ten lots of each underlying with covered calls."""
    found = (each.plan for bot in desk.bots.values() for each in bot.structures())
    symbols = {plan.underlyings[0] for plan in found if plan.overwrite is not None}
    return tuple((symbol, SHARES) for symbol in sorted(symbols))


def _stretch(chance: Random, desk: LoadedBots, session: Session, *, whole_day: bool) -> TimeSpan:
    """Return the time of faults: from minutes before one bot's window on, or the whole day."""
    earliest, latest = session.open - timedelta(seconds=BEFORE_OPEN), session.close - CALM_BEFORE_CLOSE
    if whole_day:
        return TimeSpan(earliest, latest)
    start, end = chance.choice([span for bot in desk.bots.values() for span in bot.windows(session)])
    if end - start > timedelta(hours=1) and chance.random() < 0.3:
        start += timedelta(minutes=chance.randint(1, int((end - start) / timedelta(minutes=1)) - 30))
    begins = max(start - timedelta(seconds=chance.choice((20, 60, 180, 300))), earliest)
    if begins >= latest:  # its window is empty on a half day, or so late that nothing could go wrong before it
        begins = latest - timedelta(minutes=min(STRETCHES))
    return TimeSpan(begins, min(begins + timedelta(minutes=chance.choice(STRETCHES)), latest))


def _over_night(chance: Random, desk: LoadedBots, session: Session, *, whole_day: bool) -> TimeSpan:
    """Return a stretch from an evening to the next morning, from within a bot's last window, or shortly before."""
    following = session_after(session.date)
    earliest = session.open - timedelta(seconds=BEFORE_OPEN)
    night = session.close + timedelta(seconds=AFTER_CLOSE), following.open - timedelta(seconds=BEFORE_OPEN)
    if whole_day:
        return TimeSpan(earliest, following.close - CALM_BEFORE_CLOSE, night)
    start, end = chance.choice([bot.windows(session)[-1] for bot in desk.bots.values()])
    evening = session.close - timedelta(minutes=chance.choice(EVENINGS))
    begins = max(start - timedelta(seconds=chance.choice((20, 60, 180))), min(evening, end - LEFT_OF_A_WINDOW))
    calm_at = following.open + timedelta(minutes=chance.choice(MORNINGS))
    return TimeSpan(max(begins, earliest), calm_at, night)


# ---------------------------------------------------------------- faults


def _fault(chance: Random, kind: str, stretch: TimeSpan) -> Entry:
    triggers = [each for each in KINDS[kind].triggers if each != STANDING]
    on = chance.choice([*triggers, "at", "order"] if {"at", "order"} <= set(triggers) else triggers)
    entry: dict[str, Value] = {"kind": kind}
    if on == "at":
        at = _instant(chance, stretch)
        entry["at"] = f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}"
        if exchange_date(at) != exchange_date(stretch.begins):
            entry["session"] = 2
    else:
        entry["on"] = on
        entry |= _which(chance, kind, on)
    return entry | PARAMETERS.get(kind, _nothing)(chance)


def _instant(chance: Random, stretch: TimeSpan) -> datetime:
    """Return an instant, more often an early one, where the entries are, or one near the night."""
    reach, night = stretch.seconds, stretch.evening
    if night and chance.random() < 1 / 3:
        return stretch.after(chance.randint(max(night - NEAR_NIGHT, 1), min(night + NEAR_NIGHT, reach)))
    return stretch.after(chance.randint(1, chance.choice((min(reach, 420), reach))))


def _without_lockstep(chance: Random, fault: Entry) -> Entry:
    """Return a fault, perhaps as it would stop the clock of lockstep."""
    if fault["kind"] == "garbage" and chance.random() < 0.4:
        return {**fault, "what": "length"}
    return fault


def _which(chance: Random, kind: str, on: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if kind in MANY and chance.random() < 0.5:
        found = {"number": "each"} if chance.random() < 0.5 else {"chance": 0.5}
    elif (number := chance.choice((1, 1, 1, 2) if on == "connect" else (1, 1, 1, 2, 2, 3, 4, 6))) > 1:
        found["number"] = number
    if on != "connect" and chance.random() < 0.25:
        found["action"] = chance.choice(("BUY", "SELL"))
    return found


def _nothing(chance: Random) -> dict[str, Value]:
    return {}


def _seconds(*choices: int) -> Callable[[Random], dict[str, Value]]:
    return lambda chance: {"seconds": chance.choice(choices)}


def _choice(name: str, *choices: str) -> Callable[[Random], dict[str, Value]]:
    return lambda chance: {name: chance.choice(choices)}


def _lost(chance: Random) -> dict[str, Value]:
    executions = chance.choice(("after", "after", "asked"))
    return {
        "seconds": chance.choice((2, 20, 45, 120)),
        "restored": chance.choice(("1101", "1102")),
        "executions": executions,
    }


def _correction(chance: Random) -> dict[str, Value]:
    change: dict[str, Value] = {"price_by": chance.choice((-0.05, 0.05, 0.01))}
    if chance.random() < 0.25:
        change = {"quantity_by": -1}
    return {"seconds": chance.choice((0, 5, 30, 120)), **change}


def _reject(chance: Random) -> dict[str, Value]:
    code = chance.choice((103, 110, 200, 201, 201, 321, 460))
    return {"code": code, "status": chance.choice(("Inactive", "Cancelled", "none"))}


def _farm_down(chance: Random) -> dict[str, Value]:
    seconds, farm = chance.choice((5, 60, 180)), chance.choice(("usopt", "usfarm"))
    return {"seconds": seconds, "farm": farm, "lines": "die" if seconds == 60 else "resume"}


def _bad_quotes(chance: Random) -> dict[str, Value]:
    return {
        "seconds": chance.choice((5, 20, 60, 300)),
        "symbol": chance.choice(SYMBOLS),
        "of": chance.choice(("options", "options", "underlying", "all")),
    }


PARAMETERS: Mapping[str, Callable[[Random], dict[str, Value]]] = {
    "cut": lambda chance: {"how": chance.choice(("reset", "fin")), "mid_frame": chance.random() < 0.5},
    "silence": lambda chance: {"real_seconds": chance.choice((2, 8, 20, 60, 150))},
    "lost_connectivity": _lost,
    "late_order": _seconds(5, 20, 60, 90, 200),
    "inactive": _seconds(5, 30, 90),
    "preset": _choice("what", "price", "quantity", "tif"),
    "legs_rewritten": _choice("changes", "reported", "refused"),
    "change_doubled": lambda chance: {
        "reported": chance.choice(("listed", "at_once")),
        "cancels": chance.choice(("second", "first")),
    },
    "worse_fill": lambda chance: {"price_by": chance.choice((0.05, 0.1, 0.5))},
    "overfill": _seconds(0, 1, 10, 60),
    "one_leg": lambda chance: {"leg": chance.choice((1, 2, 3, 4))},
    "expires": _seconds(0, 1, 20, 60),
    "duplicate": _choice("what", "all", "status", "execution", "commission"),
    "lost_execution": _choice("status", "reported", "lost"),
    "late_leg": _seconds(5, 20, 60),
    "late_summary": _seconds(5, 20, 60),
    "unset_commission": _seconds(5, 30, 90),
    "pending_cancel": _seconds(0, 5, 45, 90),
    "execution_first": _seconds(1, 10, 45),
    "late_fill": _seconds(0, 1, 5, 60),
    "correction": _correction,
    "late_commission": _seconds(1, 30, 90),
    "id_in_use": lambda chance: {"attempts": chance.choice((1, 2))},
    "reject": _reject,
    "warning": lambda chance: {"code": chance.choice((399, 10349, 2109, 202, 10148))},
    "farm_down": _farm_down,
    "dead_line": lambda chance: {
        "symbol": chance.choice(SYMBOLS),
        "of": chance.choice(("underlying", "underlying", "options", "all")),
    },
    "competing_session": _seconds(5, 60, 180),
    "not_subscribed": lambda chance: {"symbol": chance.choice(("VIX", "SPX", "SPY", "all")), "code": "354"},
    "delayed_data": lambda chance: {"symbol": chance.choice(("VIX", "SPX", "SPY", "all"))},
    "slow": lambda chance: {"seconds": chance.choice((1, 4, 12, 40)), "lasts": chance.choice((20, 60, 240))},
    **dict.fromkeys(("no_quote", "zero_size", "zero_bid", "crossed", "wide_spread", "spike"), _bad_quotes),
    "restart": _seconds(2, 20, 60),
    "hang_up": lambda chance: {"attempts": chance.choice((1, 2))},
    "wrong_account": _choice("accounts", "live", "several"),
    "incomplete": lambda chance: {"what": chance.choice((*LISTS, "account")), "then": "cut"},
    "short_list": lambda chance: {"what": chance.choice(LISTS), "seconds": chance.choice((5, 20, 60))},
    "account_not_ready": _seconds(5, 60, 300),
    "read_only": _seconds(5, 60, 300),
    "time_passes": _seconds(10, 60, 300),
    **dict.fromkeys(ACCOUNT_KINDS, _seconds(0, 5, 60, 200)),
    "person_changes": lambda chance: {
        "seconds": chance.choice((0, 5, 60)),
        "price_by": chance.choice((-0.1, 0.1, 0.5)),
    },
    SELLS_SHARES: lambda chance: {"seconds": chance.choice((0, 5, 60)), "part": chance.choice((0.5, 0.9, 1.0))},
    "one_stale": _seconds(20, 60, 300),
    "frozen": _seconds(20, 60, 300),
    "halt": lambda chance: {"seconds": chance.choice((60, 300)), "symbol": chance.choice(SYMBOLS)},
    "bad_greeks": lambda chance: {
        "seconds": chance.choice((20, 60, 300)),
        "symbol": chance.choice(SYMBOLS),
        "what": chance.choice(("missing", "zero_iv", "wrong_sign")),
    },
    "line_limit": _seconds(20, 60, 300),
    "chain_hole": lambda chance: {"seconds": chance.choice((0, 60)), "share": chance.choice((0.1, 0.3, 0.9))},
    "adjusted": lambda chance: {"seconds": chance.choice((0, 60)), "symbol": chance.choice(SYMBOLS)},
    "garbage": lambda chance: {"what": chance.choice(("unknown", "short"))},
}
"""What a kind takes besides its trigger. Time is virtual, so `real_seconds` are seconds of the trial."""


# ---------------------------------------------------------------- crashes and acts


def _act(chance: Random, kind: str, stretch: TimeSpan) -> OperatorAction:
    at, request, times = _instant(chance, stretch), chance.choice(tuple(REQUESTS)), chance.choice((1, 2, 90))
    return OperatorAction(
        kind=kind, at=at, request=request, times=min(times, MOST_UNKNOWN) if kind == "commit_unknown" else times
    )


def _crash(chance: Random, kind: str, stretch: TimeSpan) -> Crash:
    moment = chance.choice(tuple(ScenarioMoment))
    number = chance.randint(1, chance.choice((3, 12, 40)))
    if moment is ScenarioMoment.AFTER_COMMAND:
        number = chance.randint(1, chance.choice((2, 6, 15)))
    elif moment is ScenarioMoment.AT_START:
        number = chance.randint(1, 4)
    elif moment in (ScenarioMoment.BEFORE_SEND, ScenarioMoment.AFTER_SEND):
        number = chance.randint(1, chance.choice((20, 100, 400)))
    elif moment is ScenarioMoment.START_STEP:
        number = chance.randint(1, chance.choice((60, 400)))
    elif moment is ScenarioMoment.AT_STEP:
        number = int(10 ** chance.uniform(0.5, 4.0))
    is_timed = moment is ScenarioMoment.AT_TIME
    return Crash(
        moment=moment,
        number=1 if is_timed else number,
        at=_instant(chance, stretch) if is_timed else None,
        arrives=chance.random() < 0.6,
        power=kind == "power_cut",
        away=chance.choice((0, 0, 1, 3, 20, 90, 400)),
    )


# ---------------------------------------------------------------- reloads


def _reloads(
    seed: int, desk: LoadedBots, kinds: Sequence[str], stretch: TimeSpan
) -> tuple[tuple[Reload, ...], tuple[Crash, ...]]:
    """Return changes of the specs' files, and crashes shortly before or after some of them.

    They have a separate random stream: everything else of a seed is as without them.
    """
    changing = [kind for kind in kinds if kind in RELOADS]
    crashing = [kind for kind in kinds if kind in CRASHES]
    if not changing:
        return (), ()
    chance = Random(f"reloads {seed}")
    count = chance.choice((1, 2) if len(changing) == len(kinds) else (0, 0, 1, 2))
    texts = {text.name: text.text for text in desk.texts}
    reloads: list[Reload] = []
    ends: list[Crash] = []
    for _ in range(count):
        kind = chance.choice((*changing, EDITED) if EDITED in changing else changing)
        found = drawn(chance, kind, texts, _reload_at(chance, stretch, [each.at for each in reloads]))
        reloads += [] if found is None else [found]
        if found is not None and crashing and chance.random() < 0.6:
            ends += _end_beside(chance, chance.choice(crashing), found.at, stretch)
    return tuple(sorted(reloads, key=lambda each: each.at)), tuple(ends)


def _reload_at(chance: Random, stretch: TimeSpan, before: Sequence[datetime]) -> datetime:
    """Return an instant: often soon after another change, which may still wait, or before there are entries."""
    if before and chance.random() < 0.4:
        soon = before[-1] + timedelta(seconds=chance.choice((1, 6, 30)))
        if soon < stretch.calm_at and (stretch.night is None or not stretch.night[0] <= soon <= stretch.night[1]):
            return soon
    if chance.random() < 0.5:
        return stretch.after(chance.randint(1, min(stretch.seconds, EARLY)))
    return _instant(chance, stretch)


def _end_beside(chance: Random, kind: str, at: datetime, stretch: TimeSpan) -> list[Crash]:
    """Return an end of the engine within a minute of an instant, none where it would fall out of the stretch."""
    end = at + timedelta(seconds=chance.choice((-60, -5, 1, 4, 15, 60)))
    away = chance.choice((0, 3, 20, 90))
    is_night = stretch.night is not None and stretch.night[0] <= end <= stretch.night[1]
    if is_night or not stretch.begins < end < stretch.calm_at:
        return []
    return [
        Crash(
            moment=ScenarioMoment.AT_TIME, at=end, arrives=chance.random() < 0.6, power=kind == "power_cut", away=away
        )
    ]


class _Documents(NamedTuple):
    """Changes of files beside the specs, with crashes. names_account: as in `ChaosScenario`."""

    changes: tuple[Reload, ...] = ()
    ends: tuple[Crash, ...] = ()
    names_account: bool = True


def _documents(seed: int, desk: LoadedBots, kinds: Sequence[str], stretch: TimeSpan) -> _Documents:
    """Return changes of the account document in a third of the seeds, of extended specs in a quarter.

    They have a separate random stream, too.
    """
    of_limits = [kind for kind in kinds if kind in OF_ACCOUNT]
    of_parents = [kind for kind in kinds if kind in OF_EXTENDED]
    chance = Random(f"documents {seed}")
    is_asked = set(kinds) <= {*DOCUMENTS, *CRASHES}

    def is_drawn(chosen: Sequence[str], share: float) -> bool:
        return bool(chosen) and (is_asked or chance.random() < share)

    changes: list[Reload] = []
    if is_drawn(of_limits, 1 / 3):
        instants = _instants(chance, stretch, chance.choice((1, 2, 2, 3, 4)))
        changes += of_account(chance, of_limits, desk.account_text, instants)
    if is_drawn(of_parents, 1 / 4):
        instants = _instants(chance, stretch, chance.choice((1, 1, 2)))
        changes += of_extended(chance, of_parents, {text.name: text.text for text in desk.texts}, instants)
    ends = [end for each in changes for end in _end_of_change(chance, kinds, each.at, stretch)]
    is_named = chance.random() < 0.5 or not any(each.kind in OF_ACCOUNT for each in changes)
    return _Documents(tuple(changes), tuple(ends), is_named)


def _end_of_change(chance: Random, kinds: Sequence[str], at: datetime, stretch: TimeSpan) -> list[Crash]:
    """Return a crash near a change, for two of five changes."""
    crashing = [kind for kind in kinds if kind in CRASHES]
    if not crashing or chance.random() >= 0.4:
        return []
    return _end_beside(chance, chance.choice(crashing), at, stretch)


def _instants(chance: Random, stretch: TimeSpan, count: int) -> list[datetime]:
    found: list[datetime] = []
    for _ in range(count):
        found.append(_reload_at(chance, stretch, found))
    return found
