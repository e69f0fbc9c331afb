"""The universe document, and the symbols that a bot's `universe: {file: ...}` takes from it.

The file is in the bot's folder, and is given by its name alone. Only the symbols have a meaning: categories that
it does not take, comments and the way the file is laid out change nothing of it.
"""

from collections.abc import Collection, Iterator, Mapping
from io import StringIO
from pathlib import Path as File
from pathlib import PurePath

from ruamel.yaml import YAML

from rulebot.model.learned_model import LearnedModel, ModelError, digest_of, model_of
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.spec.conditions import Tree, mapping, sequence
from rulebot.spec.diagnostic import Diagnostic, did_you_mean
from rulebot.spec.extends import OutsideError, ReadSibling
from rulebot.spec.nouns import Path
from rulebot.spec.shape import shape_problems
from rulebot.spec.source import Kind, Plain, Source, kind_of_document, read_bytes
from rulebot.spec.spec import Taken, UniverseDocument
from rulebot.spec.yaml import read_source

FEWEST, MOST = 2, 40
"""How many symbols a bot's universe has; the schema says it of those written in the bot's own text."""

_FILE: Path = ("universe", "file")
_CATEGORIES: Path = ("universe", "categories")
_EXCEPT: Path = ("universe", "except")


def universe_document(source: Source) -> tuple[UniverseDocument | None, tuple[Diagnostic, ...]]:
    """Return the universe that a source of that kind says, None when it has problems, and these."""
    problems = (*source.problems, *shape_problems(source, source.tree, "universe", {}))
    if problems or not isinstance(source.tree, dict):
        return None, problems
    written = mapping(source.tree["categories"])
    categories = {name: tuple(map(str, sequence(symbols))) for name, symbols in written.items()}
    return UniverseDocument(version=1, about=str(source.tree["about"]), categories=categories), ()


def is_file_reference(tree: Tree) -> bool:
    """Return whether the symbols of a bot are in a separate file."""
    found = tree.get("universe")
    return isinstance(found, dict) and "file" in found


@dataclass(frozen=True, slots=True)
class FilledUniverse:
    """The symbols of a bot's universe and their source; or why there are none."""

    symbols: tuple[str, ...] = ()
    taken: Taken | None = None
    problems: tuple[Diagnostic, ...] = ()


def filled(source: Source, tree: Tree, read: ReadSibling | None) -> FilledUniverse:
    """Return the symbols of a valid `universe` that names a file. tree: the bot's, with its parameters in place."""
    universe = mapping(tree["universe"])
    name = str(universe["file"])
    document = _sibling_universe(source, name, read)
    if not isinstance(document, UniverseDocument):
        return FilledUniverse(problems=document)
    named, without = (tuple(map(str, sequence(universe.get(key)))) for key in ("categories", "except"))
    if problems := tuple(_unknown(source, name, document, named, without)):
        return FilledUniverse(problems=problems)
    found = dict.fromkeys(symbol for category in named for symbol in document.categories[category])
    symbols = tuple(symbol for symbol in found if symbol not in without)
    if not FEWEST <= len(symbols) <= MOST:
        return FilledUniverse(problems=(_wrong_count(source, name, len(symbols)),))
    return FilledUniverse(symbols, Taken(file=name, categories=named, without=without))


def written_out(tree: Tree, symbols: tuple[str, ...]) -> Tree:
    """Return the tree of a bot with these symbols in the place of the file that it names."""
    universe = mapping(tree["universe"])
    rest = {key: value for key, value in universe.items() if key not in ("file", "categories", "except")}
    listed: list[Plain] = [*symbols]
    return {**tree, "universe": {"symbols": listed, **rest}}


def _sibling_universe(source: Source, name: str, read: ReadSibling | None) -> UniverseDocument | tuple[Diagnostic, ...]:
    """Return the universe of that name in the folder of a bot's document, or why it cannot be read."""
    if read is None:
        return _refused(source, "a text without a file has no other file in its folder", "write its 'symbols' out")
    try:
        content = read(name)
    except FileNotFoundError:
        return _refused(source, f"there is no '{name}' in the folder of this file", _neighbour(source, name))
    except OutsideError:
        return _refused(source, f"'{name}' is a link to outside its folder", "put the file itself there")
    found = read_source(content, str(PurePath(source.file).with_name(name)))
    kind, problems = (None, ()) if found.is_cut_short else kind_of_document(found)
    if kind is None:
        return (*found.problems, *problems)
    if kind is not Kind.UNIVERSE:
        return _refused(source, f"'{name}' is no universe", "such a document has the key 'rulebot_universe: 1'")
    document, problems = universe_document(found)
    return document or problems


def _refused(source: Source, message: str, help: str | None) -> tuple[Diagnostic, ...]:
    return (source.diagnostic("RB125", _FILE, message, help),)


def _neighbour(source: Source, name: str) -> str | None:
    """Return which universe in the folder of a document may have been meant."""
    others = [file for pattern in ("*.yaml", "*.yml") for file in File(source.file).parent.glob(pattern)]
    return did_you_mean(name, [file.name for file in others if file.is_file() and _is_universe(file)])


def _is_universe(file: File) -> bool:
    try:
        return Kind.UNIVERSE.value.encode() in read_bytes(file)
    except OSError:
        return False


def _wrong_count(source: Source, name: str, count: int) -> Diagnostic:
    many = counted(count, "symbol")
    message = f"the selection from '{name}' has {many}: a universe has {FEWEST} to {MOST}"
    help = "take other categories, or leave symbols out with 'except'"
    return source.diagnostic("RB121", _CATEGORIES, message, help, at_key=True)


def _unknown(
    source: Source, name: str, document: UniverseDocument, named: tuple[str, ...], without: tuple[str, ...]
) -> Iterator[Diagnostic]:
    """Yield categories that the universe does not have, and excluded symbols that it does not contain."""
    known = document.categories
    for at, category in enumerate(named):
        if category not in known:
            help = did_you_mean(category, known) or f"it has: {', '.join(known)}"
            yield source.diagnostic("RB125", (*_CATEGORIES, at), f"'{name}' has no category '{category}'", help)
    symbols = {symbol for listed in known.values() for symbol in listed}
    for at, symbol in enumerate(without):
        if symbol not in symbols:
            help = did_you_mean(symbol, sorted(symbols)) or "remove it: no symbol of this name is in the universe"
            yield source.diagnostic("RB125", (*_EXCEPT, at), f"'{name}' has no symbol '{symbol}'", help)


# --- A universe document without delisted symbols

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


# --- What a condition `model

MODEL = "model"
MODELS = "models"
_NOT_CONDITIONS = frozenset({MODELS, "let", "parameters", "accept", "about"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models that a document names, by file, with the texts read; or why they cannot be read."""

    known: Mapping[str, LearnedModel]
    taken: Mapping[str, str]
    problems: tuple[Diagnostic, ...] = ()


def models_of(source: Source, tree: Tree, read: ReadSibling | None) -> Models:
    """Return the models that the conditions of a sound document name."""
    known: dict[str, LearnedModel] = {}
    taken: dict[str, str] = {}
    problems = []
    written = mapping(tree.get(MODELS, {}))
    for path, body in _named(tree):
        file, digest = str(body["file"]), str(body["sha256"])
        try:
            text = _text(file, written, read)
            if digest_of(text) != digest:
                help = f"its own is {digest_of(text)}: name that if this is the model that is meant"
                raise _Unusable(f"'{file}' is not the model whose hash is named", help, "sha256")
            known[file] = _model(file, text)
            if file not in written:
                taken[file] = text
        except _Unusable as found:
            problems.append(source.diagnostic("RB126", (*path, found.key), found.message, found.help))
    return Models(known=known, taken=taken, problems=tuple(problems))


def files_named(tree: Tree) -> frozenset[str]:
    """Return the files of the models that the conditions of a document name, sound or not."""
    return frozenset(str(body["file"]) for _, body in _named(tree))


def with_models(tree: Tree, models: Mapping[str, str]) -> Tree:
    """Return the tree of a document with the texts of the model files in it that it names."""
    lines: dict[str, Plain] = {file: [*text.removesuffix("\n").split("\n")] for file, text in models.items()}
    return {**tree, MODELS: {**mapping(tree.get(MODELS, {})), **lines}} if lines else tree


class _Unusable(Exception):
    def __init__(self, message: str, help: str | None = None, key: str = "file") -> None:
        super().__init__(message)
        self.message, self.help, self.key = message, help, key


def _named(tree: Tree) -> Iterator[tuple[Path, Tree]]:
    for key, value in tree.items():
        if key not in _NOT_CONDITIONS:
            yield from _below((key,), value)


def _below(path: Path, value: Plain) -> Iterator[tuple[Path, Tree]]:
    """Yield every condition on a model with its place."""
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from _below((*path, at), item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == MODEL and isinstance(item, dict) and "file" in item:
                yield (*path, key), item
            else:
                yield from _below((*path, key), item)


def _text(file: str, written: Tree, read: ReadSibling | None) -> str:
    """Return the text of a model file, with line feeds. Raises: _Unusable."""
    if file in written:
        return "".join(f"{line}\n" for line in sequence(written[file]))
    if read is None:
        raise _Unusable(f"a text without a file has no '{file}' in its folder", "put it in a file next to the model")
    try:
        text = read(file).decode().replace("\r\n", "\n")
    except FileNotFoundError:
        message = f"there is no '{file}' in the folder of this file"
        raise _Unusable(message, "'rulebot train' writes such a file") from None
    except OutsideError:
        raise _Unusable(f"'{file}' is a link to outside its folder", "put the file itself there") from None
    except UnicodeDecodeError:
        raise _Unusable(f"'{file}' is no model: it is not text") from None
    if not text.endswith("\n"):
        raise _Unusable(f"'{file}' is no model: its last line has no end")
    return text


def _model(file: str, text: str) -> LearnedModel:
    try:
        return model_of(text)
    except ModelError as error:
        raise _Unusable(f"'{file}' cannot be judged by: {error}") from error
