"""When the bot enters: windows inside the session, when time exits have ended all, caps, second entries."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from rulebot.compile.per_leg_exits import named_legs
from rulebot.compile.plan import EntryPlan, Rule
from rulebot.compile.problem import Problem, did_you_mean
from rulebot.model.position import TARGET_MISSED
from rulebot.model.session import Anchor, DayTime, Session, session_on
from rulebot.spec.nouns import DteRule, MeasureTest, Path
from rulebot.spec.spec import Entry, Exit, Reentry, Spec, Window, is_all

_FULL_DAY = date(2025, 6, 3)
"""Any full session."""

WEEK_DAYS = ("mon", "tue", "wed", "thu", "fri")
_OUTCOMES = ("filled", "unfilled", "any")


def full_session() -> Session:
    """Return a session that is no half day: times of day are compared on it."""
    session = session_on(_FULL_DAY)
    assert session is not None
    return session


def end_of_day(spec: Spec, session: Session) -> DayTime | None:
    """Return when time exits have closed all entries of a session, None where some may stay open."""

    def instant(at: DayTime) -> datetime:
        return at.before_close(session)

    timed = [(at, rule) for rule in spec.exits if (at := _time_of(rule)) is not None and _is_sure(rule, spec)]
    legs = [leg.name for leg in spec.legs.legs] or [""]  # those of a choice are known once it is made
    firsts = [min((at for at, rule in timed if _closes(rule, leg, spec)), key=instant, default=None) for leg in legs]
    sure = [at for at in firsts if at is not None]
    return max(sure, key=instant) if len(sure) == len(legs) else None


def _is_sure(rule: Exit, spec: Spec) -> bool:
    """Return whether an exit, once its condition is true, leaves nothing of the legs that it closes."""
    count = spec.quantity if spec.overwrite is None and spec.growth is None else None
    return rule.enabled and rule.roll is None and not rule.activate_when and is_all(rule.close_part, count)


def _closes(rule: Exit, leg: str, spec: Spec) -> bool:
    return not rule.close_legs or leg in named_legs(rule.close_legs, spec)


def _time_of(rule: Exit) -> DayTime | None:
    test = rule.condition.test if rule.condition else None
    if isinstance(test, MeasureTest) and test.measure == "time":
        at = test.arguments.get("at")
        return at if isinstance(at, DayTime) else None
    return None


def entry_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with the window, the caps and `again`."""
    entry = spec.entry
    yield from _window_problems(spec)
    for name in ("per_day", "per_week", "max_open"):
        value: int | None = getattr(entry, name)
        if value is not None and value < 1:
            yield Problem("RB241", (*entry.path, name), f"'{name}' is at least 1, is {value}")
    if entry.max_open is None and outlives_its_day(spec):
        message = "a position can live past its day: write how many may be open at once"
        yield Problem("RB241", entry.path, message, "as in 'max_open: 3', in addition to 'per_day'", on_key=True)
    if entry.again is not None:
        yield from _again_problems(entry.again, spec)


def _window_problems(spec: Spec) -> Iterator[Problem]:
    entry, session = spec.entry, full_session()
    last = end_of_day(spec, session)
    before: Window | None = None
    for window, where in zip(windows_of(entry), _places(entry), strict=True):
        start = window.start.on(session)
        at_start = (*where, "from") if window.end is not None else where
        if not session.is_on(start):
            yield Problem("RB240", at_start, f"{window.start} is outside the session, 09:30 to 16:00")
            return
        if window.end is not None:
            yield from _end_problems(window, window.end, session, (*where, "to"))
        if last is not None and last.before_close(session) <= start:
            message = f"{window.start} is not before the time exit {last}: no entry would ever be made"
            yield Problem("RB240", at_start, message)
        if before is not None and start < before.ends(session):
            message = f"{window.start} is before the end of the one above, which began at {before.start}"
            yield Problem("RB240", at_start, message, "list windows and times in order, without overlap")
        before = window
    if entry.every is not None and entry.every <= 0:
        yield Problem("RB240", (*entry.path, "every"), "'every' is longer than 0 s")


def windows_of(entry: Entry) -> tuple[Window, ...]:
    """Return all windows or times of an entry, in order."""
    return (Window(start=entry.start, end=entry.end, lasts=entry.lasts), *entry.others)


def _places(entry: Entry) -> list[Path]:
    where = (*entry.path, "window" if entry.end is not None else "at")
    return [(*where, at) for at in range(1 + len(entry.others))] if entry.others else [where]


def _end_problems(window: Window, end: DayTime, session: Session, where: Path) -> Iterator[Problem]:
    if end.on(session) <= window.start.on(session):
        yield Problem("RB240", where, f"the window ends at {end}, which is not after {window.start}")
    elif end.on(session) > session.close:
        yield Problem("RB240", where, f"{end} is outside the session, 09:30 to 16:00")


def outlives_its_day(spec: Spec) -> bool:
    """Return whether a position can still be open after the session of its entry."""
    rules = (DteRule.EXACT, DteRule.AT_MOST)
    rolled = (rule.roll.expiry for rule in spec.exits if rule.roll is not None and rule.enabled)
    expiries = (*spec.legs.expiries, *(each for each in rolled if each is not None))
    same_day = all(each.rule in rules and each.days[:1] == (0,) for each in expiries)
    return not same_day and end_of_day(spec, full_session()) is None


def missed_name(spec: Spec) -> tuple[str, ...]:
    """Return the name of a target that kept less than promised, () for a bot without targets."""
    return (TARGET_MISSED,) if any(rule.kind.takes_profit for rule in spec.exits) else ()


def _again_problems(again: Reentry, spec: Spec) -> Iterator[Problem]:
    names = tuple(rule.name for rule in spec.exits if not rule.kind.is_ending)
    outcomes = (*_OUTCOMES, *missed_name(spec))
    for at, name in enumerate(again.after):
        where = (*again.path, "after", at)
        if name in outcomes:
            continue
        if name not in names:
            yield Problem("RB201", where, f"no exit is named '{name}'", did_you_mean(name, (*outcomes, *names)))
        elif not next(rule.enabled for rule in spec.exits if rule.name == name):
            yield Problem("RB242", where, f"the exit '{name}' is switched off: nothing comes after it")
    if not again.after:
        yield Problem("RB242", (*again.path, "after"), "'after' names nothing")
    if again.at_most is not None and again.at_most < 1:
        yield Problem("RB242", (*again.path, "at_most"), f"'at_most' is at least 1, is {again.at_most}")
    if again.until is not None and again.until.on(full_session()) <= spec.entry.start.on(full_session()):
        yield Problem("RB242", (*again.path, "until"), f"{again.until} is not after {spec.entry.start}")
    elif again.until is not None:
        yield from _until_problems(again.until, windows_of(spec.entry)[-1], (*again.path, "until"))


def _until_problems(until: DayTime, last: Window, where: Path) -> Iterator[Problem]:
    """Yield RB243 where `again` names a time after the last window, when no entry is possible."""
    if until.on(full_session()) <= last.ends(full_session()):
        return
    lasts = timedelta(seconds=last.lasts or 0.0)
    end = last.end or replace(last.start, offset=last.start.offset + lasts)
    message = f"'until' is {until}, and nothing is entered after {end}, where the window ends"
    help_text = (
        f"let the window last until then, as in 'window: {{from: {_written(last.start)}, to: {_written(until)}}}'"
    )
    yield Problem("RB243", where, message, help_text)


def _written(at: DayTime) -> str:
    return f'"{at}"' if at.anchor is Anchor.CLOCK else str(at)


def entry_plan(spec: Spec, when: tuple[Rule, ...]) -> EntryPlan:
    """Return the entry with its defaults: one a window, as many open as a day may open."""
    entry, windows = spec.entry, windows_of(spec.entry)
    per_day = entry.per_day or len(windows)
    return EntryPlan(
        windows=windows,
        days=tuple(WEEK_DAYS.index(day) for day in entry.days),
        every=entry.every,
        once=entry.once,
        per_day=per_day,
        per_week=entry.per_week,
        max_open=entry.max_open or per_day,
        again=entry.again,
        when=when,
    )
