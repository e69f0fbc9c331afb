"""How many there are of something, in words."""


def counted(number: int, word: str, several: str = "") -> str:
    """Return `1 position` or `1,200 positions`. several: the word for other numbers than one, if not with an s."""
    return f"{number:,} {word if number == 1 else several or word + 's'}"
