"""A document's text to its nouns, with every problem found on the way."""

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path as File
from typing import Any

from rulebot.model.session import DayTime
from rulebot.model.values import dataclass
from rulebot.spec import sections
from rulebot.spec.account import account_document, check_account
from rulebot.spec.checks import check
from rulebot.spec.conditions import mapping, with_lets
from rulebot.spec.diagnostic import Diagnostic, in_file_order
from rulebot.spec.extends import EXTENDS, ReadSibling, parents_of, relative_to
from rulebot.spec.layout import text_of
from rulebot.spec.nouns import AccountDocument
from rulebot.spec.parameters import ReplacedParameters, replace_parameters
from rulebot.spec.shape import shape_problems
from rulebot.spec.source import Kind, Plain, Source, kind_of_document, read_bytes
from rulebot.spec.spec import Spec, Taken, UniverseDocument
from rulebot.spec.spec_test_nouns import SpecTestDocument
from rulebot.spec.universe import filled, is_file_reference, models_of, universe_document, with_models, written_out
from rulebot.spec.yaml import plain_scalar, read_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What one document is. Without errors exactly one of its nouns is set; with errors none.

    source: with what it extends laid under it, and the symbols of the universe that it names, unless these were not to
    be had.
    """

    source: Source
    spec: Spec | None = None
    account: AccountDocument | None = None
    tests: "SpecTestDocument | None" = None
    universe: UniverseDocument | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether nothing stops the document from being used (warnings do not)."""
        return not any(found.is_error for found in self.diagnostics)


def load_document(file: File | str, overrides: Mapping[str, str] | None = None, *, digested: bool = True) -> Loaded:
    """Return the document in a file; a check needs no digest. Raises: OSError when it cannot be read."""
    source = read_source(read_bytes(File(file)), str(file))
    return load(source, overrides=overrides, digested=digested, read=relative_to(File(file)))


def load_text(
    text: str, file: str = "<text>", overrides: Mapping[str, str] | None = None, *, read: ReadSibling | None = None
) -> Loaded:
    """Return the document in a text; its name is compared with that of `file` if that is a YAML file.

    read: gives what it `extends`, and the universe it names; without it these are refused.
    """
    return load(read_source(text.encode("utf-8", "surrogatepass"), file), overrides=overrides, read=read)


def load(
    source: Source,
    *,
    overrides: Mapping[str, str] | None = None,
    digested: bool = True,
    read: ReadSibling | None = None,
) -> Loaded:
    """Return what a source says, with every problem of its text, structure, scalars and names."""
    kind, problems = (None, ()) if source.is_cut_short else kind_of_document(source)
    if kind is None or not isinstance(source.tree, dict):
        return Loaded(source=source, diagnostics=in_file_order((*source.problems, *problems)))
    if kind is Kind.ACCOUNT:
        return _load_account(source, source.tree)
    if kind is Kind.TEST:
        return _load_tests(source, source.tree)
    if kind is Kind.UNIVERSE:
        return _load_universe(source)
    if EXTENDS not in source.tree:
        return _load_strategy(source, source.tree, read, overrides or {}, digested)
    return _load_child(source, read, overrides or {}, digested)


def _load_child(source: Source, read: ReadSibling | None, overrides: Mapping[str, str], digested: bool) -> Loaded:
    from rulebot.spec.extends import merged  # most documents extend nothing

    parents, problems = parents_of(source, read)
    if problems:
        return Loaded(source=source, diagnostics=in_file_order((*source.problems, *problems)))
    whole = merged(source, parents)
    assert isinstance(whole.tree, dict)
    return _load_strategy(whole, whole.tree, read, overrides, digested)


def _load_strategy(
    source: Source, tree: dict[str, Plain], read: ReadSibling | None, overrides: Mapping[str, str], digested: bool
) -> Loaded:
    replaced = replace_parameters(source, tree, overrides)
    places = replaced.places
    problems = [*source.problems, *replaced.problems]
    problems += shape_problems(source, replaced.tree, "strategy", places)
    problems += check(source, replaced.tree, places)
    found = in_file_order(problems)
    if any(problem.is_error for problem in found):
        return Loaded(source=source, diagnostics=found)
    taken = None
    if is_file_reference(replaced.tree):
        universe = filled(source, replaced.tree, read)
        if universe.problems:
            return Loaded(source=source, diagnostics=in_file_order((*found, *universe.problems)))
        taken, source = universe.taken, replace(source, symbols=universe.symbols)
        replaced = replace(replaced, tree=written_out(replaced.tree, universe.symbols))
    models = models_of(source, replaced.tree, read)
    if models.problems:
        return Loaded(source=source, diagnostics=in_file_order((*found, *models.problems)))
    source = replace(source, models=models.taken)
    spec = replace(_strategy(replaced, taken), models=models.known)
    if digested:
        spec = with_digest(spec, replaced.in_expressions)
    return Loaded(source=source, spec=spec, diagnostics=found)


def _load_account(source: Source, tree: dict[str, Plain]) -> Loaded:
    problems = (*source.problems, *shape_problems(source, tree, "account", {}), *check_account(source, tree))
    found = in_file_order(problems)
    account = None if found else account_document(tree)
    return Loaded(source=source, account=account, diagnostics=found)


def _load_tests(source: Source, tree: dict[str, Plain]) -> Loaded:
    from rulebot.spec.spec_test_document import check_trials, trial_document  # most documents are no tests

    problems = (*source.problems, *shape_problems(source, tree, "test", {}), *check_trials(source, tree))
    found = in_file_order(problems)
    tests = None if found else trial_document(tree)
    return Loaded(source=source, tests=tests, diagnostics=found)


def _load_universe(source: Source) -> Loaded:
    universe, problems = universe_document(source)
    return Loaded(source=source, universe=universe, diagnostics=in_file_order(problems))


def _strategy(replaced: ReplacedParameters, taken: Taken | None) -> Spec:
    tree = replaced.tree
    universe = sections.universe(mapping(tree["universe"]), taken) if "universe" in tree else None
    underlyings = tree.get("underlyings", [tree.get("underlying")] if universe is None else [*universe.symbols[:1]])
    quantity, size = sections.quantity(tree.get("quantity", 1))
    exit_order = tree.get("exit_order")
    spec = Spec(
        version=1,
        name=str(tree["name"]),
        about=str(tree["about"]),
        underlyings=tuple(str(symbol) for symbol in underlyings) if isinstance(underlyings, list) else (),
        universe=universe,
        quantity=quantity,
        size=size,
        overwrite=sections.overwrite(tree.get("quantity")),
        growth=sections.growth(tree.get("quantity")),
        parameters=replaced.parameters,
        lets=sections.lets(mapping(tree.get("let", {}))),
        entry=sections.entry(mapping(tree["entry"])),
        legs=sections.legs(mapping(tree["legs"])),
        order=sections.order(tree["order"], ("order",)),
        exits=(*sections.closing_halts(mapping(tree["risk"])), *sections.exits(tree["exits"])),
        exit_order=None if exit_order is None else sections.order(exit_order, ("exit_order",), leaving=True),
        risk=sections.risk(mapping(tree["risk"])),
        accept={code: str(reason) for code, reason in mapping(tree.get("accept", {})).items()},
    )
    return with_lets(spec)


# --- The digest of a spec's meaning

_NOT_MEANING = frozenset({"path", "digest", "parameters", "taken", "models"})
_FORMER_NAMES = {"Reentry": "Again"}
"""What a digest calls a noun whose class was renamed: positions are governed by digests of earlier versions."""


def with_digest(spec: Spec, in_expressions: Container[str] = ()) -> Spec:
    """Return the spec with SHA-256 over the canonical form of its meaning as its digest.

    Numbers count by value (0.50 is 0.5), places in the file are ignored, parameters by the values they gave; only those
    that an `expr:` names count by name.
    """
    named = {one.name: _named(one.text) for one in spec.parameters if one.name in in_expressions}
    text = json.dumps([canonical(spec), named], sort_keys=True, separators=(",", ":"))
    return replace(spec, digest=hashlib.sha256(text.encode()).hexdigest())


def _named(text: str) -> object:
    """Return what a parameter says to an expression, to which quotes mean nothing."""
    return canonical(plain_scalar(text.strip().strip("\"'")))


@cache
def _kept(kind: type) -> tuple[tuple[str, object], ...]:
    """Return the fields that mean something, each with what it is when a document does not say it."""
    found = []
    for field in fields(kind):
        if field.name not in _NOT_MEANING:
            unsaid = field.default if field.default_factory is MISSING else field.default_factory()
            found.append((field.name, unsaid))
    return tuple(found)


def _said(value: Any) -> dict[str, object]:
    """Return a noun as data without default values, so that new words change no digest."""
    said = ((name, getattr(value, name), default) for name, default in _kept(value.__class__))
    return {name: canonical(found) for name, found, default in said if found != default}


def canonical(value: object) -> object:
    """Return the plain data that the digest of a spec is made over."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return value
    if isinstance(value, DayTime):
        return [value.anchor.value, value.offset.total_seconds(), *([value.zone] if value.zone else [])]
    if is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        return {"is": _FORMER_NAMES.get(name, name), **_said(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return format(Decimal(value).normalize(), "f")
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [canonical(item) for item in value]
    return value


# --- A document with all that it takes from other files written out


def resolved_text(source: Source) -> str:
    """Return a document that has been read as one text that needs no other file, without comments."""
    assert isinstance(source.tree, dict)
    tree = written_out(source.tree, source.symbols) if source.symbols else source.tree
    return text_of(with_models(tree, source.models))


def is_alone(source: Source) -> bool:
    """Return whether a document takes nothing from another file."""
    return not (source.above or source.symbols or source.models)


def governing_text(source: Source) -> str:
    """Return the text that alone says all of a document: its own, unless it takes from others."""
    return source.text if is_alone(source) else resolved_text(source)


# --- The spec that a test document is about


def tested_file(tests: Loaded, document: SpecTestDocument) -> File:
    """Return the file of the tested spec, with as few detours as can be."""
    folder, name = File(tests.source.file).parent, File(document.spec)
    steps = list(name.parts)
    while steps[:1] == [".."] and folder.name not in ("", ".."):
        folder, steps = folder.parent, steps[1:]
    return folder.joinpath(*steps)


def tested_spec(tests: Loaded, document: SpecTestDocument, settings: Mapping[str, str]) -> Loaded:
    """Return the tested spec with the parameters that a test overrides. Raises: OSError."""
    return load_document(tested_file(tests, document), settings)
