"""Comments and blank lines to the keys and values that they belong to.

A comment behind something belongs to it; one on its own line belongs to what follows, unless it stands further in (then
it ends what stands there) or a blank line parts it from what follows and none from what is above.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from rulebot.spec.layout.cover import Cover
from rulebot.spec.layout.page import At, Collection, Entry, Page, Remark, Scalar


def put_remarks(page: Page, lines: list[str], cover: Cover) -> None:
    """Give every comment and blank line of a text its place. cover: where its values stand."""
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
        """Yield this one and those it stands in, the nearest first."""
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
        """Take the lines of comments and blanks between two lines that say something, or at an end of the text."""
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
        """Keep at the top what a blank line parts from the first key, or all of it when none does."""
        if not self.places or here > self.places[0]:  # behind the bracket that closes the whole document
            self.page.root.tail += [text for text in texts if text]
            return
        cut = max((at for at, text in enumerate(texts) if not text), default=len(texts))
        self.page.head += _single_blanks(["", *texts[:cut]])[1:]
        self.spots[0].entry.above = texts[cut:]

    def _in_the_middle(self, spot: _Spot, here: At, texts: list[str]) -> bool:
        """Take comments in braces, or between a key and its value; False when they stand in neither."""
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
    """Give lines that stand further in than what follows to the collections that end here; return the rest."""
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
    """Put lines above an entry; those that a blank line parts from it alone belong to the entry before it."""
    entries = spot.collection.entries
    at = next(n for n, entry in enumerate(entries) if entry is spot.entry)
    cut = lines.index("") if at and "" in lines else 0
    if cut:
        entries[at - 1].below = lines[:cut]
    spot.entry.above = lines[cut:]


def _single_blanks(lines: list[str]) -> list[str]:
    return [line for at, line in enumerate(lines) if line or not at or lines[at - 1]]
