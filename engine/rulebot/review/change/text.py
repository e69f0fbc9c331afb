"""A difference as text: the head, one line a change, what may be lost, what stays."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from textwrap import wrap

from rulebot.review import amounts
from rulebot.review.change.difference import Change, Difference, Kind, Loss, Status
from rulebot.review.change.reach import ORDER, REACHES

WIDTH = 120
_MARK, _SIDE = "(!)", 32
"""How a change that risks more is marked; how long two values may be together to stand on one line."""
_STRIP, _BELOW = 24, 10
"""Where fewer columns than this are left beside what stands before them, words go below, indented by so many."""


_WORDS = {Kind.REMOVED: ("gone", ""), Kind.ADDED: ("", "new")}
"""What stands before the old and the new value, where it is not `was` and `now`."""


def text_of(found: Difference, width: int = WIDTH) -> str:
    """Return the whole difference of one document."""
    lines = wrap(head(found), width, subsequent_indent="  ", break_on_hyphens=False)
    if found.status is Status.CHANGED:
        lines += ["", *changed(found.changes, width), ""]
        for title, words in facts(found):
            lines += _flowed(f"  {title}".ljust(14), words, width)
    return "\n".join([*lines, *(part for line in found.behaviour for part in _folded(line, width))]).rstrip()


def _folded(line: str, width: int) -> list[str]:
    """Return a line that keeps its indent, and stands further in where it goes on."""
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
    "universe": "is gone; a bot that names it cannot be read any more",
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
    return f"{found.name}  {amounts.counted(count, 'change')}{marked}"


# ---------------------------------------------------------------- changes


def changed(changes: Sequence[Change], width: int = WIDTH) -> list[str]:
    """Return the changes in columns: mark, path, values, words; long values stand below each other."""
    paths = min(max(len(change.path) for change in changes), 42)
    short = [values(change) for change in changes if is_short(change)]
    column = max(map(len, short), default=0)
    said = ["", *(change.words for change in changes)]
    told = [
        replace(each, words="as above") if each.words and each.words == said[at] else each
        for at, each in enumerate(changes)
    ]
    return [line for change in told for line in _change(change, paths, column, width)]


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
    """Return the order of the exits where it is no change of its own; "" where it is."""
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
    return "without a bound" if amount is None else amounts.money(round(amount))  # type: ignore[call-overload]


def reached(found: Difference) -> Iterator[tuple[str, str]]:
    """Yield which positions the changes reach, with the places."""
    for applies in ORDER:
        places = dict.fromkeys(change.path for change in found.changes if change.applies == applies)
        if places:
            yield applies, ", ".join(places)
