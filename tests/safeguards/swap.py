"""Replace a function or constant of the engine wherever a module holds it, and put everything back."""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rulebot.adapters.ib
import rulebot.core
import rulebot.live
import rulebot.recovery

Undo = list[tuple[Any, str, Any]]


def load_all() -> None:
    """Import every module that may hold a function under its own name."""
    for room in (rulebot.core, rulebot.adapters.ib, rulebot.live, rulebot.recovery):
        for each in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(each.name)


@contextmanager
def swapped(*pairs: tuple[Any, Any]) -> Iterator[None]:
    """Hold `new` for `old` in every module of the engine, also in their tables."""
    load_all()
    undo: Undo = []
    try:
        for old, new in pairs:
            found = len(undo)
            for name, module in list(sys.modules.items()):
                if name.startswith("rulebot."):
                    _swap(module, old, new, undo)
            if len(undo) == found:
                raise LookupError(f"no module holds {old!r}")
        yield
    finally:
        for holder, name, value in reversed(undo):
            setattr(holder, name, value)


def _swap(module: Any, old: Any, new: Any, undo: Undo) -> None:
    for name, value in list(vars(module).items()):
        changed = value
        if value is old:
            changed = new
        elif isinstance(value, dict) and name.isupper() and any(each is old for each in value.values()):
            changed = {key: new if each is old else each for key, each in value.items()}
        elif isinstance(value, tuple) and name.isupper() and any(each is old for each in value):
            changed = tuple(new if each is old else each for each in value)
        if changed is not value:
            undo.append((module, name, value))
            setattr(module, name, changed)


@contextmanager
def method(holder: Any, name: str, new: Any) -> Iterator[None]:
    """Replace a method of a class, or a name in one module alone."""
    old = getattr(holder, name)
    setattr(holder, name, new)
    try:
        yield
    finally:
        setattr(holder, name, old)
