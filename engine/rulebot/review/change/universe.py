"""Symbols that come and go: in a bot's universe, and in the categories of a universe document."""

from collections.abc import Iterator, Mapping

from rulebot.evaluate.phrases import listed
from rulebot.review.change.difference import Change, Difference, Kind, Status
from rulebot.review.change.facet import Edit, Verdict
from rulebot.review.change.legs import UNDERLYING
from rulebot.review.change.reach import reach_of
from rulebot.review.members import taken_words
from rulebot.spec.spec import UniverseDocument

Symbols = tuple[str, ...]


def judge_symbols(edit: Edit) -> Verdict:
    """One symbol more is one more to lose in; of a bot on one underlying another one is another market."""
    universes = [side.spec.universe for side in edit.sides.both]
    if None in universes:
        return UNDERLYING(edit)
    now = universes[1]
    source = "" if now is None or now.taken is None else f"; {taken_words(now.taken)}"
    return Verdict(f"{came_and_went(edit.old, edit.new)}{source}", is_worse=bool(set(edit.new) - set(edit.old)))


def came_and_went(was: Symbols, now: Symbols) -> str:
    """Return `NFLX and SHOP come, TSLA goes`; the same symbols in another order are said to be that."""
    came, gone = ([each for each in one if each not in other] for one, other in ((now, was), (was, now)))
    said = [_said(came, "comes", "come"), _said(gone, "goes", "go")]
    return ", ".join(part for part in said if part) or "the same symbols in another order"


def _said(symbols: list[str], one: str, many: str) -> str:
    return f"{listed(tuple(symbols), 'and')} {one if len(symbols) == 1 else many}" if symbols else ""


# ---------------------------------------------------------------- the document


def compare_universes(was: UniverseDocument, now: UniverseDocument, name: str, was_name: str) -> Difference:
    """Return what becomes of a universe document; bots that take of it are told by themselves."""
    changes = (*_head(was, now), *_categories(was.categories, now.categories))
    return Difference(
        name=name,
        was_name=was_name,
        kind="universe",
        about=now.about,
        status=Status.CHANGED if changes else Status.SAME,
        changes=changes,
    )


def lone_universe(document: UniverseDocument, name: str, status: Status) -> Difference:
    """Return a universe document that only one side has."""
    return Difference(name=name, kind="universe", about=document.about, status=status)


def _head(was: UniverseDocument, now: UniverseDocument) -> Iterator[Change]:
    if was.about != now.about:
        yield Change(path="about", old=was.about, new=now.about, applies=reach_of("about", "universe"))


def _categories(was: Mapping[str, Symbols], now: Mapping[str, Symbols]) -> Iterator[Change]:
    applies = reach_of("categories", "universe")
    for name, symbols in now.items():
        path, old = f"categories.{name}", was.get(name)
        if old is None:
            words = "no bot takes it before its text names it"
            yield Change(kind=Kind.ADDED, path=path, new=", ".join(symbols), words=words, applies=applies)
        elif old != symbols:
            yield Change(
                path=path,
                old=", ".join(old),
                new=", ".join(symbols),
                words=came_and_went(old, symbols),
                is_worse=bool(set(symbols) - set(old)),
                applies=applies,
            )
    for name, symbols in was.items():
        if name not in now:
            words = "a bot that names it cannot be read any more"
            path = f"categories.{name}"
            yield Change(
                kind=Kind.REMOVED, path=path, old=", ".join(symbols), words=words, is_worse=True, applies=applies
            )
