"""Two sets of documents to their differences: bots and accounts, matched by name, then by equal meaning."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath

from rulebot.model.errors import MisuseError
from rulebot.review.change.account import compare_accounts, lone_account
from rulebot.review.change.compare import compare_bots, lone_bot
from rulebot.review.change.difference import Difference, Status
from rulebot.review.change.facet import Bot
from rulebot.review.change.universe import compare_universes, lone_universe
from rulebot.spec.digest import with_digest
from rulebot.spec.lineage import Beside
from rulebot.spec.load import Loaded, load
from rulebot.spec.nouns.account import AccountDocument
from rulebot.spec.spec import UniverseDocument
from rulebot.spec.walk import read_source

_OTHER_NAME = "RB115"
"""The problem of a document whose file is called otherwise: a copy to compare with may be called anything."""


def read_document(content: bytes, label: str, read: Beside | None = None) -> Loaded:
    """Return one document, whatever its file is called. `read` gives what it extends."""
    loaded = load(read_source(content, label), read=read)
    if {found.code for found in loaded.diagnostics if found.is_error} == {_OTHER_NAME}:
        return load(read_source(content, f"{label} "), read=read)
    return loaded


def compare(was: Sequence[Loaded], now: Sequence[Loaded]) -> tuple[Difference, ...]:
    """Return what becomes of every sound document of two sides, in the order of the new ones, what is gone last.

    Raises: MisuseError for a side with two of one name: an edit of one of them would be told by nobody.
    """
    for side in (was, now):
        _refuse_same_names(side)
    return (
        *_bots(_sound(was), _sound(now)),
        *_accounts(_accounts_of(was), _accounts_of(now)),
        *_universes(_universes_of(was), _universes_of(now)),
    )


def _refuse_same_names(side: Sequence[Loaded]) -> None:
    seen: dict[str, Loaded] = {}
    for each in side:
        other = seen.setdefault(name := _called(each), each)
        if name and other is not each:
            files = " and ".join(found.source.file.rstrip() for found in (other, each))
            raise MisuseError(
                f"two documents are the {name}: {files}", "compare their folders one by one, or the files"
            )


def _called(each: Loaded) -> str:
    """Return what a document is matched by, in words; "" for one that is not compared."""
    if each.spec is not None:
        return f"bot '{each.spec.name}'"
    if each.account is not None:
        return f"account '{each.account.account}'" if each.account.account else "the account"
    return f"universe '{PurePath(each.source.file).stem}'" if each.universe is not None else ""


def _sound(side: Sequence[Loaded]) -> list[Bot]:
    return [Bot(loaded, loaded.spec) for loaded in side if loaded.spec is not None]


def _bots(was: list[Bot], now: list[Bot]) -> Iterator[Difference]:
    gone = {bot.spec.name: bot for bot in was}
    come = {bot.spec.name: bot for bot in now}
    twins = {name: name for name in come if name in gone}
    twins |= _renamed(
        [bot for name, bot in gone.items() if name not in come], [bot for name, bot in come.items() if name not in gone]
    )
    if not twins and len(gone) == len(come) == 1:
        twins = dict(zip(come, gone, strict=True))
    for name, bot in come.items():
        yield compare_bots(gone[twins[name]], bot) if name in twins else lone_bot(bot, Status.ADDED)
    for name, bot in gone.items():
        if name not in twins.values():
            yield lone_bot(bot, Status.REMOVED)


def _renamed(gone: list[Bot], come: list[Bot]) -> dict[str, str]:
    """Return the old name, by the new one, of bots that mean the same but for their name; a second copy is new."""
    left = {_nameless(bot): bot.spec.name for bot in reversed(gone)}
    return {bot.spec.name: left.pop(meaning) for bot in come if (meaning := _nameless(bot)) in left}


def _nameless(bot: Bot) -> str:
    return with_digest(replace(bot.spec, name="", about="")).digest


def _accounts_of(side: Sequence[Loaded]) -> list[AccountDocument]:
    return [loaded.account for loaded in side if loaded.account is not None]


def _accounts(was: list[AccountDocument], now: list[AccountDocument]) -> Iterator[Difference]:
    if len(was) == len(now) == 1:
        yield compare_accounts(was[0], now[0])
        return
    gone = {each.account: each for each in was}
    come = {each.account: each for each in now}
    for name, each in come.items():
        yield compare_accounts(gone[name], each) if name in gone else lone_account(each, Status.ADDED)
    yield from (lone_account(each, Status.REMOVED) for name, each in gone.items() if name not in come)


def _universes_of(side: Sequence[Loaded]) -> dict[str, UniverseDocument]:
    """Return the universes of a side by the names of their files, which are all the names they have."""
    return {PurePath(each.source.file).stem: each.universe for each in side if each.universe is not None}


def _universes(was: dict[str, UniverseDocument], now: dict[str, UniverseDocument]) -> Iterator[Difference]:
    if len(was) == len(now) == 1:
        ((old, gone),), ((new, come),) = was.items(), now.items()
        yield compare_universes(gone, come, new, old)
        return
    for name, each in now.items():
        yield compare_universes(was[name], each, name, name) if name in was else lone_universe(each, name, Status.ADDED)
    yield from (lone_universe(each, name, Status.REMOVED) for name, each in was.items() if name not in now)
