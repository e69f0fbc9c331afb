"""The test document: from a checked tree to its noun, and the checks that a schema cannot do."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import nan

from rulebot.model.facts import Moment
from rulebot.model.session import CalendarError, Session, is_tabled, session_on
from rulebot.spec.conditions import Tree, mapping, sequence, sure
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.nouns import Path
from rulebot.spec.scalar import day_time, seconds
from rulebot.spec.source import Plain, Source
from rulebot.spec.spec_test_nouns import (
    USUAL_DATE,
    BrokerAction,
    BrokerEvent,
    Expectation,
    ExpectedMark,
    Opening,
    Report,
    SentHook,
    Series,
    Smile,
    Span,
    SpecTest,
    SpecTestDocument,
    SpecTestMarket,
    UnquotedStrike,
    series,
    smile,
)

COUNTS = ("volume", "open_interest", "put_call_volume", "option_volume")
NOT_LEVELS = frozenset(
    {"iv", "rv", "width", "previous_close", "days", "iv_days", "smile", "expiries", "earnings", "quotes", *COUNTS}
)
USUAL = {"spx": "6000", "vix": "15", "iv": "12%", "rv": "9%"}
"""The market of a test that does not say: calm, and nothing moves."""
_TIMES = ("at", "by", "all_day", "after_quote")
_FACTS = ("enters", "exits", "halts", "unfilled", "rests", "orders", "state", "quantity")
_HUNDRED = Decimal(100)
_ON_SESSIONS = "options expire on sessions"
_SETTLING = timedelta(minutes=5)
_MOST_DAYS = 400
"""The longest `dte` that the schema lets through."""


def trial_document(tree: Tree) -> SpecTestDocument:
    """Return the tests of a document."""
    tests = (_trial(mapping(test), ("tests", at)) for at, test in enumerate(sequence(tree["tests"])))
    return SpecTestDocument(str(tree["spec"]), tuple(tests))


def _trial(tree: Tree, path: Path) -> SpecTest:
    opening = mapping(tree.get("from", {})).get("open")
    account = mapping(tree.get("account", {}))
    return SpecTest(
        name=str(tree["name"]),
        date=_date(tree.get("date")) or USUAL_DATE,
        settings={name: str(value) for name, value in mapping(tree.get("set", {})).items()},
        market=_market(mapping(tree.get("market", {}))),
        opening=None if opening is None else _opening(mapping(opening)),
        broker=tuple(_mishap(mapping(each)) for each in sequence(tree.get("broker"))),
        shares={name.upper(): int(each) for name, each in _numbers(account.get("shares", {})).items()},
        costs={name.upper(): each for name, each in _numbers(account.get("cost_basis", {})).items()},
        hooks=_hooks(tree.get("webhooks")),
        expect=tuple(
            _expectation(mapping(each), (*path, "expect", at)) for at, each in enumerate(sequence(tree["expect"]))
        ),
        path=path,
    )


def _date(value: Plain) -> date | None:
    if isinstance(value, str):
        with suppress(ValueError):
            return date.fromisoformat(value)
    return None


def _number(value: Plain) -> Decimal:
    assert isinstance(value, int | Decimal)
    return Decimal(value)


# ---------------------------------------------------------------- the market


def _market(tree: Tree) -> SpecTestMarket:
    given = {**USUAL, **tree}
    levels = {name.upper(): series(value) for name, value in given.items() if name not in NOT_LEVELS}
    for tenth in ("SPY", "XSP"):
        levels.setdefault(tenth, levels["SPX"].times(0.1))
    ivs = given["iv"] if isinstance(given["iv"], dict) else {}
    rv = str(given["rv"]).removesuffix("%")
    return SpecTestMarket(
        levels=levels,
        iv=series(USUAL["iv"] if ivs else given["iv"]),
        ivs={name.upper(): series(each) for name, each in ivs.items()},
        rv=None if rv == "unknown" else float(rv),
        widths=_by_symbol(tree, "width"),
        before=_by_symbol(tree, "previous_close"),
        days={name.upper(): series(each) for name, each in mapping(tree.get("days", {})).items()},
        iv_days={name.upper(): series(each) for name, each in mapping(tree.get("iv_days", {})).items()},
        smiles={name.upper(): _smile(mapping(each)) for name, each in mapping(tree.get("smile", {})).items()},
        expiries={name.upper(): _dates_of(each) for name, each in mapping(tree.get("expiries", {})).items()},
        volumes=_by_symbol(tree, "volume"),
        open_interests=_by_symbol(tree, "open_interest"),
        put_call=_by_symbol(tree, "put_call_volume"),
        option_volumes=_by_symbol(tree, "option_volume"),
        earnings={name.upper(): _report(each) for name, each in mapping(tree.get("earnings", {})).items()},
        quotes=tuple(_mark(mapping(each)) for each in sequence(tree.get("quotes"))),
    )


def _report(with_time: Plain) -> Report:
    if not isinstance(with_time, dict):
        return Report(sure(_date(with_time)))
    moment, clock = with_time.get("when"), with_time.get("time")
    return Report(
        sure(_date(with_time["day"])),
        None if moment is None else Moment(moment),
        None if clock is None else time.fromisoformat(str(clock)),
    )


def _by_symbol(tree: Tree, key: str) -> dict[str, float]:
    return {name.upper(): float(_number(each)) for name, each in mapping(tree.get(key, {})).items()}


def _dates_of(value: Plain) -> tuple[date, ...]:
    return tuple(sorted(sure(_date(each)) for each in sequence(value)))


def _smile(tree: Tree) -> Smile:
    return smile({float(distance.removesuffix("%")): float(_number(points)) for distance, points in tree.items()})


def _mark(tree: Tree) -> ExpectedMark:
    ((basis, value),) = tree.items()
    if isinstance(value, str):
        return ExpectedMark(nan, UnquotedStrike(value))
    worth = float(_number(value))
    return ExpectedMark(worth if basis == "cost" else -worth)


def level_of(market: SpecTestMarket, symbol: str) -> Series:
    """Return how a level moves; what is not given of the volatility indices goes with VIX."""
    return market.levels.get(symbol, market.levels["VIX"])


# ---------------------------------------------------------------- position, broker, expectations


def _opening(tree: Tree) -> Opening:
    dte = tree.get("dte")
    return Opening(
        net=_number(tree["credit"]) if "credit" in tree else -_number(tree["debit"]),
        at=sure(day_time(tree.get("at", "12:00"))),
        opened=_date(tree.get("opened")),
        dte=dte if isinstance(dte, int) else None,
        alternative=str(tree.get("alternative", "")),
        symbol=str(tree.get("symbol", "")),
        legs=_numbers(tree.get("legs", {})),
    )


def _numbers(value: Plain) -> Mapping[str, Decimal]:
    return {name: _number(each) for name, each in mapping(value).items()}


def _mishap(tree: Tree) -> BrokerEvent:
    does = next(each for each in BrokerAction if each.value in tree)
    fills, margin = str(tree.get("fills", "100%")), str(tree.get("margin", "unknown"))
    return BrokerEvent(
        does=does,
        at=day_time(tree.get("at")),
        lasts=seconds(tree.get("for")),
        what=str(tree.get("rejects", "")),
        part=Decimal(0) if fills == "none" else Decimal(fills.removesuffix("%")) / _HUNDRED,
        margin=None if margin == "unknown" else Decimal(margin.removeprefix("$")),
    )


def _hooks(value: Plain) -> tuple[SentHook, ...] | None:
    if isinstance(value, str):
        return None
    found = (mapping(each) for each in sequence(value))
    return tuple(
        SentHook(at=sure(day_time(each["at"])), name=str(each["name"]), says=str(each.get("says", "")))
        for each in found
    )


def _expectation(tree: Tree, path: Path) -> Expectation:
    span = next((each for each in Span if each.value in tree), Span.SOME_TIME)
    facts = {**tree, **mapping(tree.get("all_day", {}))}
    quote, quantity, enters = tree.get("after_quote"), tree.get("quantity"), tree.get("enters")
    return Expectation(
        span=span,
        time=day_time(tree.get(span.value)),
        quote=quote if isinstance(quote, int) else 0,
        enters=None if enters is None else {} if enters == "any" else _numbers(enters),
        exits=str(tree.get("exits", "")),
        halts=str(tree.get("halts", "")),
        unfilled="unfilled" in tree,
        rests=_numbers(tree.get("rests", {})),
        no_orders="orders" in facts,
        state=str(facts.get("state", "")),
        quantity=quantity if isinstance(quantity, int) else None,
        because={name: _truth(each) for name, each in mapping(tree.get("because", {})).items()},
        path=path,
    )


def _truth(value: Plain) -> bool | None:
    return value if isinstance(value, bool) else None


# ---------------------------------------------------------------- checks of the text alone


def check_trials(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield problems that a schema cannot find: dates without a session, duplicate names, exclusive words.

    The tree may be unsound: what the schema refuses is passed over.
    """
    first: dict[str, Path] = {}
    tests = tree.get("tests")
    for at, test in enumerate(tests if isinstance(tests, list) else ()):
        if not isinstance(test, dict):
            continue
        path: Path = ("tests", at)
        name = test.get("name")
        if isinstance(name, str) and name in first:
            line = source.span(first[name]).line
            message = f"two tests are called '{name}'"
            yield source.diagnostic("RB270", (*path, "name"), message, f"the first is in line {line}")
        elif isinstance(name, str):
            first[name] = (*path, "name")
        yield from _dates(source, test, path)
        yield from _levels(source, test, (*path, "market"))
        yield from _quotes(source, test, path)
        for place, each in _listed(test, "expect"):
            yield from _spans(source, each, (*path, "expect", place))
        yield from _times(source, test, path)


def _dates(source: Source, test: Tree, path: Path) -> Iterator[Diagnostic]:
    opening = _inner(test, "from", "open")
    day, opened = _date(test.get("date")) or USUAL_DATE, _date(opening.get("opened"))
    if opened is not None and opened > day:
        message = f"the test is on {day}, before {opened}"
        help = "a position was opened in the session of the test, or in an earlier one"
        yield source.diagnostic("RB280", (*path, "from", "open", "opened"), message, help)
    for tree, place in ((test, (*path, "date")), (opening, (*path, "from", "open", "opened"))):
        text = tree.get(str(place[-1]))
        if isinstance(text, str) and (problem := _no_session(text)):
            yield source.diagnostic("RB280", place, problem, "a test lives on a day on which the exchange trades")
    yield from _expiring(source, opening, day, (*path, "from", "open", "dte"))
    yield from _dates_of_market(source, test, path)


def _dates_of_market(source: Source, test: Tree, path: Path) -> Iterator[Diagnostic]:
    for name, days in _inner(test, "market", "expiries").items():
        for at, text in enumerate(days if isinstance(days, list) else ()):
            if isinstance(text, str) and (problem := _no_session(text)):
                yield source.diagnostic("RB280", (*path, "market", "expiries", name, at), problem, _ON_SESSIONS)
    for name, earnings in _inner(test, "market", "earnings").items():
        of_it = (*path, "market", "earnings", name)
        text = earnings.get("day") if isinstance(earnings, dict) else earnings
        if isinstance(text, str) and _date(text) is None:
            yield source.diagnostic("RB280", of_it if text is earnings else (*of_it, "day"), f"there is no date {text}")
        if isinstance(earnings, dict) and {"when", "time"} <= earnings.keys():
            message = "'when' and 'time' both say when the earnings are: write one of them"
            yield source.diagnostic("RB280", (*of_it, "time"), message, at_key=True)


def _expiring(source: Source, opening: Tree, day: date, path: Path) -> Iterator[Diagnostic]:
    """Yield days to an expiry on which the exchange is closed; beyond the calendar any day is accepted."""
    days = opening.get("dte")
    if not isinstance(days, int) or not 0 <= days <= _MOST_DAYS or _no_session(day.isoformat()):
        return
    expiry = day + timedelta(days=days)
    if is_tabled(expiry) and (problem := _no_session(expiry.isoformat())):
        yield source.diagnostic("RB280", path, problem, _ON_SESSIONS)


def _no_session(text: str) -> str:
    found = _date(text)
    if found is None:
        return f"there is no date {text}"
    try:
        return "" if session_on(found) is not None else f"the exchange is closed on {text}, a {found:%A}"
    except CalendarError as error:
        return str(error)


def _inner(tree: Tree, *steps: str) -> Tree:
    for step in steps:
        found = tree.get(step)
        tree = found if isinstance(found, dict) else {}
    return tree


def _listed(test: Tree, key: str) -> Iterator[tuple[int, Tree]]:
    """Yield the mappings of a list, each with its place."""
    found = test.get(key)
    for at, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, dict):
            yield at, each


def _levels(source: Source, test: Tree, path: Path) -> Iterator[Diagnostic]:
    """Yield series that fall to where no level, and below where no volatility, can be."""
    market = _inner(test, "market")
    given: list[tuple[Plain, Path, bool]] = [
        (each, (name,), True) for name, each in market.items() if name not in NOT_LEVELS
    ]
    given.append((market.get("iv"), ("iv",), False))
    for key in ("iv", "iv_days", "days"):
        given += [(each, (key, name), key == "days") for name, each in _inner(market, key).items()]
    for value, place, is_level in given:
        if not isinstance(value, str):
            continue
        with suppress(ValueError):
            lowest = min((each for each in series(value).levels if each == each), default=nan)
            if lowest < 0 or (is_level and lowest == 0):
                message = f"it falls to {lowest:g}, and a {'level' if is_level else 'volatility'} cannot"
                yield source.diagnostic("RB156", (*path, *place), message, "drift is a minute, or a session of 'days'")


def _quotes(source: Source, test: Tree, path: Path) -> Iterator[Diagnostic]:
    quotes = _inner(test, "market").get("quotes")
    count = len(quotes) if isinstance(quotes, list) else 0
    if count and "from" not in test:
        help = "add 'from: {open: {credit: 1.00}}'"
        yield source.diagnostic("RB280", (*path, "market", "quotes"), "quotes of no position", help, at_key=True)
    expected = test.get("expect")
    for place, each in enumerate(expected if isinstance(expected, list) else ()):
        after = each.get("after_quote") if isinstance(each, dict) else None
        if isinstance(after, int) and after > count:
            message = f"the market has {count} quotes, is {after}"
            yield source.diagnostic("RB280", (*path, "expect", place, "after_quote"), message)


def _times(source: Source, test: Tree, path: Path) -> Iterator[Diagnostic]:
    """Yield times at which the test has not begun, or its session is long over: nothing can happen then."""
    day = _date(test.get("date")) or USUAL_DATE
    if _no_session(day.isoformat()):
        return
    session = sure(session_on(day))
    opening = _inner(test, "from", "open")
    at = day_time(opening.get("at", "12:00")) if opening else None
    begins = session.open if at is None else at.on(session)
    if not session.is_on(begins):
        yield _not_on(source, session, opening["at"], (*path, "from", "open", "at"))
        return
    yield from _expected(source, test, session, begins, path)
    for place, each in _listed(test, "broker"):
        yield from _mishaps(source, each, session, begins, (*path, "broker", place))
    for place, each in _listed(test, "webhooks"):
        time = day_time(each.get("at"))
        if time is not None and time.on(session) > session.close + _SETTLING:
            yield _not_on(source, session, each["at"], (*path, "webhooks", place, "at"))


def _expected(source: Source, test: Tree, session: Session, begins: datetime, path: Path) -> Iterator[Diagnostic]:
    for place, each in _listed(test, "expect"):
        for key in ("at", "by"):
            if (time := day_time(each.get(key))) is None:
                continue
            at, where = time.before_close(session), (*path, "expect", place, key)
            if not session.open <= at <= session.close + _SETTLING:
                yield _not_on(source, session, each[key], where)
            elif at < begins.replace(second=0):
                message = f"at {each[key]} the test has not begun: its position opens later"
                yield source.diagnostic("RB280", where, message, "'at' under 'open' says when, else 12:00")


def _mishaps(source: Source, each: Tree, session: Session, begins: datetime, path: Path) -> Iterator[Diagnostic]:
    time, lasts = day_time(each.get("at")), seconds(each.get("for"))
    if lasts == 0:
        yield source.diagnostic("RB156", (*path, "for"), "'for' is longer than 0 s")
    elif time is not None:
        start = time.on(session)
        ends = session.close if lasts is None else start + timedelta(seconds=lasts)
        if start > session.close + _SETTLING or ends <= begins:
            yield _not_on(source, session, each["at"], (*path, "at"))


def _not_on(source: Source, session: Session, at: Plain, path: Path) -> Diagnostic:
    help = "a test lives from the open until five minutes after the close"
    return source.diagnostic("RB280", path, f"the session of {session.date} is not on at {at}", help)


def _spans(source: Source, each: Plain, path: Path) -> Iterator[Diagnostic]:
    if not isinstance(each, dict):
        return
    times = [key for key in each if key in _TIMES]
    if len(times) > 1:
        message = f"'{times[1]}' and '{times[0]}' are both set: only one of the two is allowed"
        help = "a second expectation begins with its own '- '"
        yield source.diagnostic("RB118", (*path, times[1]), message, help, at_key=True)
    facts = [key for key in each if key in _FACTS]
    if "all_day" in each and facts:
        message = f"'{facts[0]}' cannot be set with 'all_day', which includes it"
        yield source.diagnostic("RB122", (*path, facts[0]), message, "put it under 'all_day', or apart", at_key=True)
    if not facts and "all_day" not in each and "because" not in each and times:
        help = f"one of: {', '.join(_FACTS)}, because"
        yield source.diagnostic("RB118", path, "nothing is expected", help)
