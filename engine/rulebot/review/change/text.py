"""A difference as text: the head, one line a change, what may be lost, what stays."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from textwrap import wrap
from typing import Any

from rulebot.model.money import short_dollars
from rulebot.model.text import counted
from rulebot.review.change.behaviour import Days, TriedDay
from rulebot.review.change.field import ORDER, REACHES, Change, Difference, Kind, Loss, Status

WIDTH = 120
_MARK, _SIDE = "(!)", 32
"""Mark of a change that risks more; total length of two values on one line."""
_STRIP, _BELOW = 24, 10
"""With fewer columns than this for words, they go below, indented by this many."""


_WORDS = {Kind.REMOVED: ("gone", ""), Kind.ADDED: ("", "new")}
"""Labels of the old and the new value, where they are not `was` and `now`."""


def text_of(found: Difference, width: int = WIDTH) -> str:
    """Return the whole difference of one document."""
    lines = wrap(head(found), width, subsequent_indent="  ", break_on_hyphens=False)
    if found.status is Status.CHANGED:
        lines += ["", *changed(found.changes, width), ""]
        for title, words in facts(found):
            lines += _flowed(f"  {title}".ljust(14), words, width)
    return "\n".join([*lines, *(part for line in found.behaviour for part in _folded(line, width))]).rstrip()


def _folded(line: str, width: int) -> list[str]:
    """Return a line that keeps its indent, with a deeper one where it continues."""
    indent = line[: len(line) - len(line.lstrip())]
    return wrap(
        line.lstrip(),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


_CAME = {"bot": "a new bot", "account": "a new account document", "universe": "a new universe"}
_WENT = {
    "bot": "is gone; what it holds is closed by the text it was opened with",
    "account": "is gone, and its limits with it",
    "universe": "is gone; a bot that names it can no longer be read",
}


def _alone(found: Difference) -> str:
    losses = ", ".join(
        f"{loss.name} {dollars(loss.was if found.status is Status.REMOVED else loss.now)}" for loss in found.losses
    )
    word = _CAME[found.kind] if found.status is Status.ADDED else _WENT[found.kind]
    return f"{found.name}  {word}" + (f"; worst case: {losses}" if losses and found.status is Status.ADDED else "")


def head(found: Difference) -> str:
    """Return `put_lite  3 changes, 2 of them (!)`, or that it is new, gone or the same."""
    if found.status is Status.SAME:
        return f"{found.name}  nothing changes"
    if found.status is not Status.CHANGED:
        return _alone(found)
    worse, count = sum(change.is_worse for change in found.changes), len(found.changes)
    how_many = "" if count == 1 else f"{worse} of them "
    marked = f", {how_many}(!): a larger, likelier or longer loss, or a fault let through" if worse else ""
    return f"{found.name}  {counted(count, 'change')}{marked}"


# ---------------------------------------------------------------- changes


def changed(changes: Sequence[Change], width: int = WIDTH) -> list[str]:
    """Return the changes in columns: mark, path, values, words; long values go below each other."""
    paths = min(max(len(change.path) for change in changes), 42)
    short = [values(change) for change in changes if is_short(change)]
    column = max(map(len, short), default=0)
    said = ["", *(change.words for change in changes)]
    reported = [
        replace(each, words="as above") if each.words and each.words == said[at] else each
        for at, each in enumerate(changes)
    ]
    return [line for change in reported for line in _change(change, paths, column, width)]


def _change(change: Change, paths: int, column: int, width: int) -> Iterator[str]:
    mark = _MARK if change.is_worse else "   "
    lead = f"  {mark} {change.path.ljust(paths)}  "
    if is_short(change):
        yield from _flowed(f"{lead}{values(change).ljust(column)}  ", change.words, width)
        return
    below = " " * (8 + paths)
    for word, value in zip(_WORDS.get(change.kind, ("was", "now")), (change.old, change.new), strict=True):
        if value:
            yield from _flowed(f"{lead}{word} ", value, width)
            lead = below
    if change.words:
        yield from _flowed(lead, change.words, width)


def is_short(change: Change) -> bool:
    """Say whether both values fit on one line."""
    return len(values(change)) <= _SIDE and change.kind is not Kind.MOVED


def values(change: Change) -> str:
    """Return `0.06 -> 0.10`."""
    if change.kind is Kind.RENAMED:
        return f"renamed from {change.old}"
    if change.kind in _WORDS:
        return f"{''.join(_WORDS[change.kind])} {change.old}{change.new}"
    return f"{change.old or 'none'} -> {change.new or 'none'}"


def _flowed(lead: str, words: str, width: int) -> list[str]:
    if width - len(lead) < _STRIP:
        return [lead.rstrip(), *(" " * _BELOW + line for line in wrap(words, width - _BELOW))]
    lines = wrap(words, width - len(lead)) or [""]
    return [f"{lead}{lines[0]}".rstrip(), *(" " * len(lead) + line for line in lines[1:])]


# ---------------------------------------------------------------- what follows


def facts(found: Difference) -> Iterator[tuple[str, str]]:
    """Yield what is said below the changes, each under its title."""
    if found.losses:
        bounded = any(amount is not None for loss in found.losses for amount in (loss.was, loss.now))
        words = "   ".join(map(loss_words, found.losses)) if bounded else "without a bound, as before"
        yield "Worst case", words
    if priority := priority_words(found):
        yield "Exits", priority
    if found.kind == "bot":
        yield "States", found.states or "unchanged"
    for number, (applies, places) in enumerate(reached(found)):
        yield "" if number else "Reaches", f"{REACHES[applies]}: {places}"


def priority_words(found: Difference) -> str:
    """Return the order of the exits where it is no separate change; "" where it is."""
    was, now = found.priorities
    if not now or any(change.path == "exits" for change in found.changes):
        return ""
    renamed = {change.old: change.new for change in found.changes if change.kind is Kind.RENAMED}
    kept = tuple(renamed.get(name, name) for name in was) == now
    return f"priority {'unchanged' if kept else 'of those that stay unchanged'}: {', '.join(now)}"


def loss_words(loss: Loss) -> str:
    """Return `a trade $955 -> $1,910`."""
    return f"{loss.name} {dollars(loss.was)} -> {dollars(loss.now)}"


def dollars(amount: object) -> str:
    """Return whole dollars, or that nothing bounds them."""
    return "without a bound" if amount is None else short_dollars(round(amount))  # type: ignore[call-overload]


def reached(found: Difference) -> Iterator[tuple[str, str]]:
    """Yield which positions the changes reach, with the places."""
    for applies in ORDER:
        places = dict.fromkeys(change.path for change in found.changes if change.applies == applies)
        if places:
            yield applies, ", ".join(places)


# --- A difference as plain data, for machines


def document_of(found: Difference) -> dict[str, Any]:
    """Return a difference as what JSON can hold; dollars are text, so that no digit is lost."""
    reported: dict[str, Any] = {
        "kind": found.kind,
        "name": found.name,
        "status": found.status.value,
        "changes": [_change_document(change) for change in found.changes],
        "worst_case": [_loss(loss) for loss in found.losses],
    }
    was, now = found.priorities
    if was or now:
        reported["exits"] = {"old": list(was), "new": list(now)}
    if found.kind == "bot" and found.changes:
        reported["states"] = found.states or "unchanged"
    old, new = found.days
    if old or new:
        reported["days"] = days_document(old, new, found.flaws)
    return reported


def days_document(old: Days, new: Days, flaws: Sequence[str] = ()) -> dict[str, Any]:
    """Return what both sides did on the same days; of past ones also what was wrong with their data."""
    reported: dict[str, Any] = {"old": [_day(day) for day in old], "new": [_day(day) for day in new]}
    return reported | {"flaws": list(flaws)} if flaws or any(day.day for day in old) else reported


def _day(day: TriedDay) -> dict[str, Any]:
    trades = [
        {"words": each.words, "ended_by": each.ended_by, "carried": each.is_carried, "net_pnl": str(each.made)}
        for each in day.trades
    ]
    named = {"seed": day.seed} if day.day is None else {"date": day.day.isoformat()}
    return {**named, "net_pnl": str(day.net), "trades": trades, "why_not": day.why_not}


def _change_document(change: Change) -> dict[str, Any]:
    reported: dict[str, Any] = {
        "kind": change.kind.value,
        "path": change.path,
        "old": change.old,
        "new": change.new,
        "words": change.words,
        "worse": change.is_worse,
        "applies": change.applies,
    }
    if change.was_path:
        reported["was_path"] = change.was_path
    if change.reaches:
        reported["reaches"] = [_change_document(each) for each in change.reaches]
    return reported


def _loss(loss: Loss) -> dict[str, Any]:
    return {
        "of": loss.name,
        "old": None if loss.was is None else str(loss.was),
        "new": None if loss.now is None else str(loss.now),
    }


# --- A difference as Markdown, for a pull request

_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]|~#"} | {"\n": " ", "<": "&lt;"})
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)")
"""Parts of addresses and mentions that GitHub would link, even escaped letter by letter."""
_NOTHING = "<!-- -->"


def markdown_of(found: Difference) -> str:
    """Return a section: the changes as a table, what follows as a list."""
    name, _, rest = head(found).partition("  ")
    lines = [f"### {_plain(name)}", "", _plain(rest)]
    if found.status is Status.CHANGED:
        lines += ["", "| | where | was | is now | what follows |", "|---|---|---|---|---|"]
        lines += [_row(change) for change in found.changes]
        lines += ["", *_facts(found)]
    if found.behaviour:
        lines += ["", "```text", *(line.replace("```", "'''") for line in found.behaviour), "```"]
    return "\n".join(lines)


def _row(change: Change) -> str:
    mark = "**(!)**" if change.is_worse else ""
    kind = "" if change.kind is Kind.CHANGED else f" ({change.kind.value})"
    cells = (f"{_plain(change.path)}{kind}", _plain(change.old), _plain(change.new), _plain(change.words))
    return f"| {mark} | {' | '.join(cells)} |"


def _facts(found: Difference) -> Iterator[str]:
    title = ""
    for given, words in facts(found):
        title = given or title
        yield f"- {title}: {_plain(words)}"


def _plain(text: str) -> str:
    """Return a document's text literally: nothing in it becomes a link, a mention or a picture."""
    return _LINKED.sub(_NOTHING, text.translate(_ESCAPED))
