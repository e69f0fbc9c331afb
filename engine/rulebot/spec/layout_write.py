"""Comments and blank lines to the keys and values that they belong to.

A comment behind something belongs to it; one on its own line belongs to what follows, unless it is indented more (then
it ends the collection above) or a blank line separates it from what follows and none from what is above.
"""

import json
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

from rulebot.spec.fast_schema import Slot
from rulebot.spec.scalar import amount, day_time, parameter_name
from rulebot.spec.source import Plain
from rulebot.spec.yaml import number_problem, plain_scalar

# --- How a value is written

_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEGINNING = re.compile(r"-?[A-Za-z0-9$(]")
_ENDS_TEXT = (": ", " #")


def rewritten(text: str, style: str | None) -> str:
    """Return how a value that was read is written on one line. style: its quotes, None without any."""
    if _CLOCK.fullmatch(text):
        return f'"{text}"'
    if style is None:
        return quoted(text) if "\n" in text else text
    return text if _is_bare(text) else quoted(text)


def written(value: object, *, in_braces: bool = True) -> str:
    """Return how a value of a tree is written on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return str(value)
    is_plain = _is_plain_scalar(value) and (not in_braces or is_plain_in_braces(value))
    return value if is_plain and not _CLOCK.fullmatch(value) else quoted(value)


def key_text(key: str) -> str:
    """Return how a key is written."""
    return key if _KEY.fullmatch(key) else quoted(key)


def quoted(text: str) -> str:
    """Return a text in quotes, double ones unless that would need escapes."""
    needs_escapes = '"' in text or "\\" in text
    if needs_escapes and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def is_plain_in_braces(text: str) -> bool:
    """Return whether a value as written can be in braces: an unquoted text must not contain their signs."""
    return text[:1] in ('"', "'") or not any(sign in text for sign in ",[]{}")


def _is_bare(text: str) -> bool:
    """Return whether quotes around this change nothing: a word, an amount, a time relative to open or close."""
    if plain_scalar(text) != text or number_problem(text) is not None:
        return False
    if _WORD.fullmatch(text) or parameter_name(text) is not None:
        return True
    return amount(text) is not None or day_time(text) is not None


def _is_plain_scalar(text: str) -> bool:
    """Return whether a text needs no quotes where nothing but its line ends it."""
    if plain_scalar(text) != text or number_problem(text) is not None:
        return False
    is_whole = text.isprintable() and not text.endswith((":", " ")) and not any(end in text for end in _ENDS_TEXT)
    return is_whole and _BEGINNING.match(text) is not None


# --- A document as it is laid out

At = tuple[int, int]
"""Line and column."""


@dataclass(slots=True)
class Scalar:
    """One value. `written`: as on its line; of a text in a block (`|`, `>`) its header, and `lines` below."""

    written: str
    at: At = (0, 0)
    end: At = (0, 0)
    lines: tuple[str, ...] | None = None


@dataclass(slots=True)
class Remark:
    """A comment behind something on its line, and its continuation below in the same column."""

    col: int
    lines: list[str]


@dataclass(slots=True)
class Entry:
    """A key with its value, or an item of a list. `above` and `below` are comment lines, "" is a blank one."""

    value: Union[Scalar, "Collection"]
    key: str | None = None
    at: At = (0, 0)
    above: list[str] = field(default_factory=list)
    remark: Remark | None = None
    below: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Collection:
    """A mapping or a list. `end` is where its bracket has closed.

    tail: comments behind its last entry. is_rule: a condition or exit, which begins on a new line in a list.
    """

    is_mapping: bool
    is_flow: bool
    entries: list[Entry] = field(default_factory=list)
    at: At = (0, 0)
    end: At = (0, 0)
    tail: list[str] = field(default_factory=list)
    is_rule: bool = False


@dataclass(slots=True)
class Page:
    """A whole document; `head` are the comments that stay at its top."""

    root: Collection
    head: list[str] = field(default_factory=list)


# --- A page to its text

WIDTH = 120
STEP = 2


def write(page: Page) -> str:
    """Return the text of a page that is in order."""
    lines = [*page.head, *_block(page.root, 0, has_head=bool(page.head))]
    return "\n".join(lines) + "\n"


def _block(collection: Collection, indent: int, *, has_head: bool = False) -> Iterator[str]:
    rows = _rows(collection, indent)
    before: Entry | None = None
    for at, entry in enumerate(collection.entries):
        above = entry.above
        if before is None and not has_head:
            above = _without_first_blank(above)
        elif before is not None and before.below and above[:1] != [""]:
            above = ["", *above]
        yield from _indented(above, indent)
        yield from [_remarked(row, entry.remark)] if (row := rows.get(at)) else _lines(entry, indent)
        yield from _indented(entry.below, indent)
        before = entry
    yield from _indented(collection.tail, indent)


def _without_first_blank(lines: list[str]) -> list[str]:
    return lines[1:] if lines[:1] == [""] else lines


def _indented(lines: Sequence[str], indent: int) -> Iterator[str]:
    return (f"{' ' * indent}{line}" if line else "" for line in lines)


def _lines(entry: Entry, indent: int) -> Iterator[str]:
    """Yield an entry of a block."""
    start = " " * indent + ("- " if entry.key is None else f"{key_text(entry.key)}: ")
    value = entry.value
    if isinstance(value, Scalar):
        yield _remarked((start + value.written).rstrip(), entry.remark)
        yield from _indented(value.lines or (), indent + STEP)
    elif _is_on_one_line(value, start) and not (entry.key is None and value.is_rule):
        yield _remarked(start + flow_text(value), entry.remark)
    elif value.is_flow and not value.is_mapping and all(isinstance(each.value, Scalar) for each in value.entries):
        *wrapped, last = _wrapped(value, start)
        yield from [*wrapped, _remarked(last, entry.remark)]
    else:
        yield from _spread(entry, value, start, indent)


def _spread(entry: Entry, value: Collection, start: str, indent: int) -> Iterator[str]:
    """Yield an entry whose value takes separate lines."""
    if entry.key is None:
        yield from _indented(entry.remark.lines if entry.remark else (), indent)
        first, *rest = _block(value, indent + STEP)
        yield from [start + first.lstrip(), *rest]
        return
    if entry.remark is not None and value.is_flow:  # it was behind a line that is no longer long
        entry.remark.col = 0
    yield _remarked(start.rstrip(), entry.remark)
    yield from _block(value, indent + STEP)


def _is_on_one_line(value: Collection, start: str) -> bool:
    return not value.entries or (value.is_flow and len(start) + len(flow_text(value)) <= WIDTH)


def _remarked(line: str, remark: Remark | None) -> str:
    """Return a line with its comment where the author has it, two spaces away at least."""
    if remark is None:
        return line
    col = max(remark.col, len(line) + 2)
    return "\n".join([line.ljust(col) + remark.lines[0], *(" " * col + more for more in remark.lines[1:])])


def flow_text(value: Scalar | Collection) -> str:
    """Return a value on one line."""
    if isinstance(value, Scalar):
        return value.written or "null"
    cells = _cells(value)
    return f"{{{', '.join(cells)}}}" if value.is_mapping else f"[{', '.join(cells)}]"


def _cells(collection: Collection) -> list[str]:
    texts = [(entry.key, flow_text(entry.value)) for entry in collection.entries]
    return [text if key is None else f"{key_text(key)}: {text}" for key, text in texts]


def _wrapped(collection: Collection, start: str) -> list[str]:
    """Return a list of plain values that is too long for its line, over several."""
    lines = [start + "["]
    for at, text in enumerate(_cells(collection)):
        piece = text + ("," if at + 1 < len(collection.entries) else "]")
        if at and len(lines[-1]) + 1 + len(piece) > WIDTH:
            lines.append(" " * (len(start) + 1) + piece)
        else:
            lines[-1] += f" {piece}" if at else piece
    return lines


# ---------------------------------------------------------------- legs in columns


def _rows(collection: Collection, indent: int) -> dict[int, str]:
    """Return the legs of a mapping by their place; adjacent ones are aligned in columns."""
    rows: dict[int, str] = {}
    group: list[int] = []
    for at, entry in enumerate(collection.entries):
        follows = at > 0 and not collection.entries[at - 1].below and "" not in entry.above
        if not _is_leg(entry, indent) or not follows:
            rows |= _columns(collection, group, indent)
            group = []
        if _is_leg(entry, indent):
            group.append(at)
    return rows | _columns(collection, group, indent)


def _is_leg(entry: Entry, indent: int) -> bool:
    value = entry.value
    if entry.key is None or not isinstance(value, Collection) or not value.is_mapping or not value.entries:
        return False
    start = " " * indent + f"{entry.key}: "
    return value.entries[0].key in ("buy", "sell") and _is_on_one_line(value, start)


def _alike(legs: Sequence[Collection]) -> int:
    """Return how many first keys all legs share; buy and sell count as one, the last key of a leg is excluded."""
    keys = [["side" if each.key in ("buy", "sell") else each.key for each in leg.entries] for leg in legs]
    alike = 0
    while keys and all(alike < len(each) - 1 and each[alike] == keys[0][alike] for each in keys):
        alike += 1
    return alike


def _columns(collection: Collection, group: list[int], indent: int) -> dict[int, str]:
    """Return legs as lines: equal keys at their beginning are aligned."""
    entries = [collection.entries[at] for at in group]
    legs = [entry.value for entry in entries if isinstance(entry.value, Collection)]
    names = [f"{key_text(entry.key or '')}:" for entry in entries]
    cells = [_cells(leg) for leg in legs]
    alike = _alike(legs)
    widths = [max(len(row[at]) for row in cells) + 2 for at in range(alike)]
    left = max((len(name) for name in names), default=0)
    return {
        at: f"{' ' * indent}{name.ljust(left)} {{{_padded(row, widths)}}}"
        for at, name, row in zip(group, names, cells, strict=True)
    }


def _padded(cells: list[str], widths: list[int]) -> str:
    front = "".join(f"{cell}, ".ljust(width) for cell, width in zip(cells, widths, strict=False))
    return front + ", ".join(cells[len(widths) :])


# --- The order of keys, and which mappings and lists are on one line

_BEHIND_NAMES = ("require", "on_conflict")
"""Keys that follow the legs, since they apply to all of them."""
_ON_ONE_LINE = ("order", "exit_order")
"""Keys of the document whose mapping goes into braces; every other section stays as its author has it."""
_SPREAD = ("legs", "exits")
"""Keys of the document that are never in braces."""


def arrange(page: Page, slot: Slot) -> None:
    """Put a page in order. slot: what its kind of document may hold, and in which order."""
    _arrange(page.root, slot)
    page.root.is_flow = False
    for entry in page.root.entries:
        if isinstance(entry.value, Collection):
            _style(entry.value, entry, depth=1)


def _arrange(collection: Collection, slot: Slot) -> None:
    for entry in collection.entries:
        if isinstance(entry.value, Collection):
            shape = _shape(entry.value)
            below = slot.item(shape) if entry.key is None else slot.below(entry.key, shape)
            entry.value.is_rule = "x-one-besides" in below.schema
            _arrange(entry.value, below)
    if collection.is_mapping:
        ranks = _ranks(collection, slot)
        collection.entries.sort(key=lambda entry: ranks[entry.key])


def _shape(collection: Collection) -> Plain:
    """Return enough of a collection for the schema to recognise it."""
    if not collection.is_mapping:
        return []
    return {entry.key: None for entry in collection.entries if entry.key is not None}


def _ranks(collection: Collection, slot: Slot) -> Mapping[str | None, int]:
    """Return where each key of a mapping belongs; equal ranks stay as written."""
    known = list(slot.schema.get("properties", ()))
    besides = slot.schema.get("x-one-besides", ())
    has_names = isinstance(slot.schema.get("additionalProperties"), Mapping)
    behind = [key for key in known if (has_names and key in _BEHIND_NAMES) or (key in besides and key != "name")]
    front = ["name"] if besides else [key for key in known if key not in behind]
    order = {key: at for at, key in enumerate([*front, None, *behind])}
    return {entry.key: order.get(entry.key, len(front)) for entry in collection.entries}


# ---------------------------------------------------------------- in braces or not


def _style(collection: Collection, owner: Entry, depth: int) -> None:
    """Decide for a collection and all below whether it goes into braces. depth: 1 for a section of the document."""
    _choose_braces(collection, owner, depth)
    for entry in collection.entries:
        if isinstance(entry.value, Collection):
            entry.value.is_flow &= collection.is_flow or entry.key is not None or not entry.value.is_rule
            _style(entry.value, entry, depth + 1)
            if entry.key is None and entry.value.is_mapping:
                _hoist(entry, entry.value)


def _choose_braces(collection: Collection, owner: Entry, depth: int) -> None:
    if _has_comments(collection) or _holds_rules(collection) or (depth == 1 and owner.key in _SPREAD):
        if collection.is_flow:
            _draw_near([owner, *collection.entries])
        collection.is_flow = False
    elif not collection.is_flow and owner.key is not None:
        is_below = depth > 1 or owner.key in _ON_ONE_LINE
        collection.is_flow = _is_small(collection) and (is_below or not collection.is_mapping)


def _draw_near(entries: list[Entry]) -> None:
    """Forget the columns of comments whose lines are no longer what they were."""
    for entry in entries:
        if entry.remark is not None:
            entry.remark.col = 0


def _holds_rules(collection: Collection) -> bool:
    """Return whether it contains a list of several conditions: each begins on a separate line."""
    inner = [entry.value for entry in collection.entries if isinstance(entry.value, Collection)]
    is_list = not collection.is_mapping and len(inner) > 1
    return (is_list and any(each.is_rule for each in inner)) or any(_holds_rules(each) for each in inner)


def _has_comments(collection: Collection) -> bool:
    return bool(collection.tail) or any(_is_commented(entry) for entry in collection.entries)


def _is_commented(entry: Entry) -> bool:
    if any(entry.above) or entry.below or entry.remark is not None:
        return True
    return isinstance(entry.value, Collection) and _has_comments(entry.value)


def _is_small(collection: Collection) -> bool:
    """Return whether all of a collection can be in braces, and no list in it holds more than plain values."""
    values = [entry.value for entry in collection.entries]
    if not collection.is_mapping:
        return all(isinstance(value, Scalar) and _is_plain(value) for value in values)
    return all(_is_plain(value) if isinstance(value, Scalar) else _is_small(value) for value in values)


def _is_plain(value: Scalar) -> bool:
    return value.lines is None and is_plain_in_braces(value.written)


def _hoist(item: Entry, mapping: Collection) -> None:
    """Put comments between a dash and the first key of its mapping above the dash."""
    if mapping.is_flow or not mapping.entries:
        return
    first = mapping.entries[0]
    item.above += [*(item.remark.lines if item.remark else ()), *_comments(first.above)]
    item.remark, first.above = None, []


def _comments(lines: list[str]) -> Iterator[str]:
    return (line for line in lines if line)


# --- Where a text has values, so that what looks like a comment inside one is not taken for it


class Cover:
    """The places of all values and keys of a text. Units: lines and columns count from 0."""

    def __init__(self) -> None:
        self._within: set[int] = set()
        self._columns: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)

    def add(self, first: At, end: At) -> None:
        """Add a value by its first place and the one behind its last."""
        for line in range(first[0], end[0] + 1):
            start = first[1] if line == first[0] else 0
            self._columns[line].append((start, end[1] if line == end[0] else 1 << 30))
        self._within.update(range(first[0] + 1, end[0] + 1))

    def begins_within(self, line: int) -> bool:
        """Return whether a line begins inside a value of several lines."""
        return line in self._within

    def comment_column(self, line: int, text: str) -> int | None:
        """Return where the comment of a line with something before it begins, None without one."""
        for col in (at for at, letter in enumerate(text) if letter == "#" and at and text[at - 1] in " \t"):
            if not any(start <= col < end for start, end in self._columns[line]):
                return col
        return None

    def comments(self, lines: list[str]) -> Iterator[str]:
        """Yield every comment of a text, from its top to its end."""
        for number, line in enumerate(lines):
            if not self.begins_within(number) and line.lstrip()[:1] == "#":
                yield line.strip()
            elif (col := self.comment_column(number, line)) is not None:
                yield line[col:].rstrip()


# --- Comments and blank lines to the keys and values that they belong to


def put_remarks(page: Page, lines: list[str], cover: Cover) -> None:
    """Give every comment and blank line of a text its place. cover: where its values are."""
    walk = _Walk(page, list(_spots(page.root, None)))
    gap: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        if not cover.begins_within(number) and line.lstrip()[:1] in ("", "#"):
            gap.append((number, line.rstrip()))
            continue
        walk.between(gap)
        gap = []
        walk.behind(number, cover.comment_column(number, line), line)
    walk.between(gap)


@dataclass(slots=True)
class _Spot:
    """An entry in the order of the text. `up` is the entry whose value its collection is."""

    entry: Entry
    collection: Collection
    up: "_Spot | None"

    def around(self) -> "Iterator[_Spot]":
        """Yield this one and the collections around it, the nearest first."""
        found: _Spot | None = self
        while found is not None:
            yield found
            found = found.up


def _spots(collection: Collection, up: _Spot | None) -> Iterator[_Spot]:
    for entry in collection.entries:
        spot = _Spot(entry, collection, up)
        yield spot
        if isinstance(entry.value, Collection):
            yield from _spots(entry.value, spot)


class _Walk:
    """Goes down the text with the entries in their order; `last` is the comment behind the line above."""

    def __init__(self, page: Page, spots: list[_Spot]) -> None:
        self.page = page
        self.spots = spots
        self.places = [spot.entry.at for spot in spots]
        self.last: Remark | None = None

    def behind(self, number: int, col: int | None, line: str) -> None:
        """Take the comment that begins in a column of a line that says something; None when it has none."""
        self.last = None
        if col is None:
            return
        text, spot = line[col:].rstrip(), self._at((number, col))
        if spot is None:
            self._outside((number, col), [text])
        elif _is_within(spot.entry.value, (number, col)):
            _into(spot.entry.value, 0, [text])
        else:
            spot.entry.above += spot.entry.remark.lines if spot.entry.remark else []
            spot.entry.remark = self.last = Remark(col, [text])

    def between(self, gap: list[tuple[int, str]]) -> None:
        """Take the comments and blank lines between two lines with content, or at an end of the text."""
        while gap and self.last is not None and _column(gap[0][1]) == self.last.col and gap[0][1]:
            self.last.lines.append(gap.pop(0)[1].strip())
        if not gap:
            return
        here = (gap[0][0], 0)
        spot = self._at(here)
        texts = [text.strip() for _, text in gap]
        if spot is None:
            self._outside(here, texts)
        elif not self._in_the_middle(spot, here, [text for text in texts if text]):
            self._between_entries(spot, bisect_left(self.places, here), [text for _, text in gap])

    def _outside(self, here: At, texts: list[str]) -> None:
        """Keep lines at the top up to a blank line before the first key; all of them without one."""
        if not self.places or here > self.places[0]:  # behind the bracket that closes the whole document
            self.page.root.tail += [text for text in texts if text]
            return
        cut = max((at for at, text in enumerate(texts) if not text), default=len(texts))
        self.page.head += _single_blanks(["", *texts[:cut]])[1:]
        self.spots[0].entry.above = texts[cut:]

    def _in_the_middle(self, spot: _Spot, here: At, texts: list[str]) -> bool:
        """Take comments in braces, or between a key and its value; False when they are in neither."""
        value = spot.entry.value
        if _is_within(value, here):
            _into(value, 0, texts)
        elif spot.collection.is_flow:
            at = next(n for n, entry in enumerate(spot.collection.entries) if entry is spot.entry)
            _into(spot.collection, at + 1, texts)
        elif value.at > here and (bool(value.written) if isinstance(value, Scalar) else value.is_flow):
            spot.entry.above += texts
        else:
            return False
        return True

    def _between_entries(self, spot: _Spot, after: int, gap: list[str]) -> None:
        follows = self.spots[after] if after < len(self.spots) else None
        closing = [each.collection for each in spot.around()]
        if follows is not None:
            kept = [each.collection for each in follows.around()]
            closing = [each for each in closing if not any(each is one for one in kept)]
        lead = _share_out(gap, closing, None if follows is None else follows.entry.at[1])
        if follows is not None:
            _lead(follows, _single_blanks(lead))

    def _at(self, at: At) -> _Spot | None:
        """Return the last entry that begins before a place and, in braces, has not been closed there.

        None before the first one, and behind the closing bracket of the whole document.
        """
        before = bisect_left(self.places, at) - 1
        if before < 0:
            return None
        return next((each for each in self.spots[before].around() if not _is_closed(each.collection, at)), None)


def _into(value: Scalar | Collection, at: int, texts: list[str]) -> None:
    """Put comments before an entry of a collection in braces."""
    assert isinstance(value, Collection)
    into = value.entries[at].above if at < len(value.entries) else value.tail
    into += texts


def _is_closed(collection: Collection, at: At) -> bool:
    return collection.is_flow and collection.end <= at


def _is_within(value: Scalar | Collection, at: At) -> bool:
    return isinstance(value, Collection) and value.is_flow and value.at < at < value.end


def _column(line: str) -> int:
    return len(line) - len(line.lstrip())


def _share_out(gap: list[str], closing: list[Collection], next_col: int | None) -> list[str]:
    """Give lines that are indented further than what follows to the collections that end here; return the rest."""
    rest: list[str] = []
    blanks: list[str] = []
    for line in gap:
        if not line:
            blanks = [""]
            continue
        while closing and not _is_of(closing[0], _column(line), next_col):
            closing = closing[1:]
        into = closing[0].tail if closing else rest
        into += [*blanks, line.strip()]
        blanks = []
    return rest + blanks


def _is_of(collection: Collection, col: int, next_col: int | None) -> bool:
    return collection.entries[0].at[1] <= col and (next_col is None or col > next_col)


def _lead(spot: _Spot, lines: list[str]) -> None:
    """Put lines above an entry; those separated from it by a blank line belong to the entry before it."""
    entries = spot.collection.entries
    at = next(n for n, entry in enumerate(entries) if entry is spot.entry)
    cut = lines.index("") if at and "" in lines else 0
    if cut:
        entries[at - 1].below = lines[:cut]
    spot.entry.above = lines[cut:]


def _single_blanks(lines: list[str]) -> list[str]:
    return [line for at, line in enumerate(lines) if line or not at or lines[at - 1]]
