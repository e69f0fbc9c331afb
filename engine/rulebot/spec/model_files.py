"""What a condition `model: {file: ..., sha256: ...}` takes from the file that it names: a model, the very one.

The file stands beside the bot's document, or in a folder beside it. Texts that an engine keeps have no files beside
them: there `models` has the lines of each.
"""

from collections.abc import Iterator, Mapping

from rulebot.model.learned_model import LearnedModel, ModelError, digest_of, model_of
from rulebot.model.values import dataclass
from rulebot.spec.conditions import Tree, mapping, sequence
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.extends import Beside, OutsideError
from rulebot.spec.nouns import Path
from rulebot.spec.source import Plain, Source

MODEL = "model"
MODELS = "models"
_NOT_CONDITIONS = frozenset({MODELS, "let", "parameters", "accept", "about"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models that a document names, by file; the texts of those that it took from files; or why there are none."""

    known: Mapping[str, LearnedModel]
    taken: Mapping[str, str]
    problems: tuple[Diagnostic, ...] = ()


def models_of(source: Source, tree: Tree, read: Beside | None) -> Models:
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


def _text(file: str, written: Tree, read: Beside | None) -> str:
    """Return the text of a model file, with line feeds. Raises: _Unusable."""
    if file in written:
        return "".join(f"{line}\n" for line in sequence(written[file]))
    if read is None:
        raise _Unusable(f"a text without a file has no '{file}' beside it", "put it in a file beside the model")
    try:
        text = read(file).decode().replace("\r\n", "\n")
    except FileNotFoundError:
        raise _Unusable(f"there is no '{file}' beside this file", "'rulebot train' writes such a file") from None
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
