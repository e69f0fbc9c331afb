"""A universe document without symbols that nobody can trade any more; everything else of its text stays."""

from collections.abc import Collection
from io import StringIO

from ruamel.yaml import YAML

_WIDEST = 4096


def without_symbols(text: str, gone: Collection[str]) -> str:
    """Return a sound universe document without these symbols, and without a category that has no other.

    Comments, quotes and the order of keys stay. Raises: ValueError where no symbol would be left.
    """
    yaml = YAML(typ="rt", pure=True, plug_ins=[])
    yaml.width, yaml.preserve_quotes = _WIDEST, True
    tree = yaml.load(text)
    categories = tree["categories"]
    for name in list(categories):
        listed = categories[name]
        for place in reversed([place for place, symbol in enumerate(listed) if str(symbol) in gone]):
            del listed[place]
        if not listed:
            del categories[name]
    if not categories:
        raise ValueError("no symbol would be left")
    written = StringIO()
    yaml.dump(tree, written)
    return written.getvalue()
