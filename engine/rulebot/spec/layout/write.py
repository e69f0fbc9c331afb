"""A page to its text: two spaces a level, braces where they fit on the line, legs in columns."""

from collections.abc import Iterator, Sequence

from rulebot.spec.layout.page import Collection, Entry, Page, Remark, Scalar
from rulebot.spec.layout.scalars import key_text

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
    """Yield an entry whose value takes lines of its own."""
    if entry.key is None:
        yield from _indented(entry.remark.lines if entry.remark else (), indent)
        first, *rest = _block(value, indent + STEP)
        yield from [start + first.lstrip(), *rest]
        return
    if entry.remark is not None and value.is_flow:  # it stood behind a long line that is none any more
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
    """Return the legs of a mapping by their place, those that follow each other without a blank line in columns."""
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


def _columns(collection: Collection, group: list[int], indent: int) -> dict[int, str]:
    """Return legs as lines: what they begin with alike stands below each other."""
    entries = [collection.entries[at] for at in group]
    legs = [entry.value for entry in entries if isinstance(entry.value, Collection)]
    names = [f"{key_text(entry.key or '')}:" for entry in entries]
    cells = [_cells(leg) for leg in legs]
    keys = [["side" if each.key in ("buy", "sell") else each.key for each in leg.entries] for leg in legs]
    alike = 0
    while legs and all(alike < len(each) - 1 and each[alike] == keys[0][alike] for each in keys):
        alike += 1
    widths = [max(len(row[at]) for row in cells) + 2 for at in range(alike)]
    left = max((len(name) for name in names), default=0)
    return {
        at: f"{' ' * indent}{name.ljust(left)} {{{_padded(row, widths)}}}"
        for at, name, row in zip(group, names, cells, strict=True)
    }


def _padded(cells: list[str], widths: list[int]) -> str:
    front = "".join(f"{cell}, ".ljust(width) for cell, width in zip(cells, widths, strict=False))
    return front + ", ".join(cells[len(widths) :])
