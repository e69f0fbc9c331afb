"""Texts of others as they may be shown: nothing in them moves a cursor, rings a bell or turns letters around."""

INSTEAD = "\N{REPLACEMENT CHARACTER}"


def printable(text: str, *, kept: str = "", instead: str = INSTEAD) -> str:
    """Return `text` with `instead` for each sign that is not printable (`str.isprintable`), but those that are kept."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in kept else instead for sign in text)


# --- How many there are of something, in words


def counted(number: int, word: str, several: str = "") -> str:
    """Return `1 position` or `1,200 positions`. several: the word for other numbers than one, if not with an s."""
    return f"{number:,} {word if number == 1 else several or word + 's'}"
