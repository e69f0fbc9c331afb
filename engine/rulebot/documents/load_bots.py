"""From spec files to the program that runs, compiled before anything connects, and the same files read again."""

import logging
import os
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from contextlib import chdir
from dataclasses import field, replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from rulebot.compile.build import build_plan, check
from rulebot.compile.plan import Plan
from rulebot.core.program import BUILT_IN, USUAL_BAND, AccountLimits, CompiledBot, Program, compile_bot
from rulebot.model.errors import MisuseError, RulebotError, SpecError, StoreError
from rulebot.model.values import ValuePool, dataclass
from rulebot.record.codec import encode
from rulebot.record.record import Json, Kind
from rulebot.review.account import rule_words
from rulebot.spec.diagnostic import Diagnostic, headline, in_file_order, not_accepted, render
from rulebot.spec.files import NoSuchFiles, account_files_near, find_files
from rulebot.spec.load import Loaded, governing_text, is_alone, load_document, load_text
from rulebot.spec.nouns import AccountDocument, Amount, Condition, Unit
from rulebot.spec.parameters import of_bot
from rulebot.store.place import Place, Server
from rulebot.store.queries import Run, StoreReader
from rulebot.store.registry import is_there


class ProblemsError(SpecError):
    """Documents that cannot be run, by their errors; `found` are all problems by file, of the fine ones none."""

    def __init__(self, found: Mapping[str, tuple[Diagnostic, ...]]) -> None:
        every = (each for problems in found.values() for each in problems)
        super().__init__("\n".join(render(each) for each in every if each.is_error))
        self.found = found


@dataclass(frozen=True, slots=True)
class SpecText:
    """The text of one bot as it runs: what a restart needs to govern open positions by it."""

    name: str
    digest: str
    file: str
    text: str
    overrides: Mapping[str, str]


BUILT_IN_CAP = "RB377"
"""The warning that an account document lifts."""
ACCOUNT_FILE = "account.yaml"
"""The account document's name where it is in or above the folders of the specs and is not named."""


@dataclass(frozen=True, slots=True)
class SpecSources:
    """The paths that bots were read from, relative to `folder`, so that they can be read again."""

    paths: tuple[str, ...]
    overrides: Mapping[str, str]
    account: Path | None
    folder: Path


@dataclass(frozen=True, slots=True)
class LoadedBots:
    """All bots of a run, compiled, with the texts they came from and the account document if there is one.

    sources: None for a desk that was not read from files. kept: what operators have set, by `BOT.NAME`, also for bots
    and parameters that are not here. left_out: what of it does not fit its bot's text, and why not. account_text,
    account_file: of the account document, "" without one.
    """

    bots: Mapping[str, CompiledBot]
    texts: tuple[SpecText, ...]
    account: AccountDocument | None
    warnings: tuple[Diagnostic, ...]
    sources: SpecSources | None = None
    kept: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    account_text: str = ""
    account_file: str = ""

    @property
    def digests(self) -> Mapping[str, str]:
        """The digest of each bot's text."""
        return {text.name: text.digest for text in self.texts}

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the bots' texts."""
        return tuple(Path(text.file) for text in self.texts)

    @property
    def require(self) -> tuple[Condition, ...]:
        """The conditions of the account document besides its limits."""
        return () if self.account is None else self.account.require

    def limits(self) -> AccountLimits:
        """Return what all bots together may do."""
        account = self.account
        if account is None:
            return BUILT_IN
        return AccountLimits(
            daily_loss=account.daily_loss,
            at_daily_loss=account.at_daily_loss,
            daily_profit=account.daily_profit,
            max_open=account.max_open,
            orders_per_minute=account.orders_per_minute,
            entries_per_day=account.entries_per_day,
            worst_case=account.worst_case,
            margin=account.margin,
            net_delta=account.net_delta,
            net_gamma=account.net_gamma,
            net_theta=account.net_theta,
            net_vega=account.net_vega,
            cash_secured_puts=account.cash_secured_puts,
            max_contracts_per_order=account.max_contracts_per_order,
            max_notional_per_order=_in(Unit.DOLLARS, account.max_notional_per_order),
            max_notional_times=_in(Unit.MULTIPLE, account.max_notional_per_order),
            price_band=account.price_band or USUAL_BAND,
            heeds_day_trades=not account.pattern_day_trading,
        )

    def program(self, install: str, pinned: Mapping[str, CompiledBot], line_limit: int) -> Program:
        """Return the program of this run."""
        return Program(
            bots=self.bots,
            pinned=pinned,
            limits=self.limits(),
            install=install,
            line_limit=line_limit,
            require=self.require,
        )

    def succeeding(self, old: Program, changed: Collection[str]) -> Program:
        """Return the program that follows `old` when these bots change; earlier texts govern what they opened."""
        bots = {name: bot if name in changed else old.bots[name] for name, bot in self.bots.items()}
        pinned = {**old.pinned, **{bot.plan.digest: bot for bot in old.bots.values()}}
        return replace(old, bots=bots, pinned=pinned, limits=self.limits(), require=self.require)

    def packed(self) -> "LoadedBots":
        """Return it without compiled bots, for another process: what is edited meanwhile changes nothing there."""
        return replace(self, bots={}, warnings=())

    def unpacked(self) -> "LoadedBots":
        """Return it with its bots compiled from its texts. Raises: StoreError."""
        return replace(self, bots={text.name: compile_text(text) for text in self.texts})


NO_BOTS = LoadedBots({}, (), None, ())
"""The bots of an engine which only closes, or whose specs could not be read."""


def load_all_bots(
    paths: Iterable[str], overrides: Mapping[str, str], account_file: Path | None, kept: Mapping[str, str] | None = None
) -> LoadedBots:
    """Read and compile every bot under `paths`, and the account document.

    The account document is `account_file`, else `account.yaml` in or above the folders of the specs, if it is there.
    kept: values set by operators, by `BOT.NAME`; `overrides` take precedence. Values that do not fit are left out.
    Raises: SpecError with every problem; MisuseError when nothing is to be run, or an override fits no bot.
    """
    paths = tuple(paths)
    files = find_files(paths)
    if not files:
        raise MisuseError("no spec was named", "name files or folders, such as specs/*.yaml")
    kept = dict(kept or {})
    left_out: dict[str, str] = {}
    loaded = [_load(Path(file), overrides, kept, left_out) for file in files]
    of_bots = [each for each in loaded if each.spec is not None]
    _refuse_problems(loaded)
    if not of_bots:
        raise MisuseError("these files contain no bot", "a bot's document has the key 'rulebot: 1'")
    _refuse_same_names(of_bots)
    account = _account(loaded, account_file, files)
    bots: dict[str, CompiledBot] = {}
    pool = ValuePool()
    texts: list[SpecText] = []
    warnings: list[Diagnostic] = []
    for each in of_bots:
        plan, text = _planned(each, warnings)
        bots[plan.name] = compile_bot(plan, pool)
        texts.append(text)
    sources = SpecSources(paths, dict(overrides), account_file, Path.cwd())
    found = LoadedBots(bots, tuple(texts), None, tuple(warnings), sources, kept, left_out)
    if account is None:
        return found
    said = account.source
    lifted = tuple(each for each in warnings if each.code != BUILT_IN_CAP)
    return replace(found, warnings=lifted, account=account.account, account_text=said.text, account_file=said.file)


def _planned(loaded: Loaded, warnings: list[Diagnostic]) -> tuple[Plan, SpecText]:
    """Return the plan of a bot and its text, and add its warnings. Raises: SpecError."""
    assert loaded.spec is not None
    plan, problems = build_plan(loaded.spec, loaded.source)
    warnings += not_accepted((*loaded.diagnostics, *problems), loaded.spec.accept)
    if plan is None:
        raise SpecError("\n".join(render(problem) for problem in problems if problem.is_error))
    return plan, _text(plan, loaded, {p.name: p.text for p in loaded.spec.parameters if p.overridden})


def _text(plan: Plan, loaded: Loaded, used: Mapping[str, str]) -> SpecText:
    """Return the text that governs what a bot opens, with all files it takes from, as of now."""
    text = SpecText(plan.name, plan.digest, loaded.source.file, governing_text(loaded.source), used)
    if not is_alone(loaded.source):
        try:
            compile_text(text)
        except StoreError as error:
            raise SpecError(
                f"{text.file} and what it takes from other files cannot be kept as one text", "write it out"
            ) from error
    return text


def compile_text(text: SpecText) -> CompiledBot:
    """Compile a text that an earlier run kept. Raises: StoreError when this version cannot read it any more."""
    return _compiled(text.name, text.digest, text.file, text.text, tuple(sorted(text.overrides.items())))


@lru_cache(maxsize=256)
def _compiled(name: str, digest: str, file: str, text: str, overrides: tuple[tuple[str, str], ...]) -> CompiledBot:
    loaded = load_text(text, file, dict(overrides))
    plan = None if loaded.spec is None else build_plan(loaded.spec, with_warnings=False)[0]
    if plan is None or plan.digest != digest:
        raise StoreError(
            f"the text that governs open positions of {name} cannot be compiled by this version",
            "finish those positions with the version that opened them",
        )
    return compile_bot(plan)


def _load(file: Path, overrides: Mapping[str, str], kept: Mapping[str, str], left_out: dict[str, str]) -> Loaded:
    """Return a document with its parameters set; into `left_out` goes what is kept and does not fit, by `BOT.NAME`."""
    try:
        loaded = load_document(file)
        names = set() if loaded.spec is None else {p.name for p in loaded.spec.parameters}
        bot = "" if loaded.spec is None else loaded.spec.name
        used = {name: text for name, text in of_bot(overrides, bot).items() if name in names}
        more = {name: text for name, text in of_bot(kept, bot).items() if name in names - used.keys()}

        def with_these(values: Mapping[str, str]) -> Loaded:
            return load_document(file, {**values, **used}) if values or used else loaded

        found = with_these(more)
        if not more or not _first_error(found):
            return found
        fitting, left = _fitting(more, with_these)
        left_out.update({f"{bot}.{name}": why for name, why in left.items()})
        return with_these(fitting)
    except OSError as error:
        raise StoreError(f"{error.filename or file} cannot be read: {error.strerror}") from error


def _fitting(
    kept: Mapping[str, str], load: Callable[[Mapping[str, str]], Loaded]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the kept values that fit a document together, and by name why the others do not."""
    fitting: dict[str, str] = {}
    while True:
        left = {name: _first_error(load({**fitting, name: text})) for name, text in kept.items() if name not in fitting}
        name = next((name for name, why in left.items() if not why), None)
        if name is None:
            return fitting, left
        fitting[name] = kept[name]


def _first_error(loaded: Loaded) -> str:
    return next((headline(each) for each in _problems(loaded) if each.is_error), "")


def _refuse_problems(loaded: list[Loaded]) -> None:
    found = {each.source.file: _problems(each) for each in loaded}
    if any(problem.is_error for problems in found.values() for problem in problems):
        raise ProblemsError(found)


def _problems(loaded: Loaded) -> tuple[Diagnostic, ...]:
    if loaded.spec is None:
        return in_file_order(loaded.diagnostics)
    return in_file_order(not_accepted((*loaded.diagnostics, *check(loaded)), loaded.spec.accept))


def _refuse_same_names(found: list[Loaded]) -> None:
    seen: dict[str, str] = {}
    for each in found:
        assert each.spec is not None
        name = each.spec.name
        if name in seen:
            raise SpecError(f"two documents are the bot '{name}': {seen[name]} and {each.source.file}")
        seen[name] = each.source.file


def account_of(text: str) -> AccountDocument | None:
    """Return the account document that a text is, None for "". Raises: StoreError when this version cannot read it."""
    if not text:
        return None
    if (found := load_text(text, "account.yaml", {}).account) is None:
        raise StoreError("the account document that was kept cannot be read by this version")
    return found


def _account(loaded: list[Loaded], named: Path | None, specs: Sequence[Path]) -> Loaded | None:
    found = [each for each in loaded if each.account is not None]
    if named is not None or not found:
        return account_file_near(named, specs)
    if len(found) > 1:
        raise SpecError("two account documents were named; one account is traded at a time")
    return found[0]


def account_file_near(named: Path | None, specs: Sequence[Path]) -> Loaded | None:
    """Return the named account document, else the one in or above the folders of specs; None without one.

    Raises: SpecError with every problem, NoSuchFiles when two apply.
    """
    file = named or account_files_near(specs, ACCOUNT_FILE, or_among=True)
    if named is None and not file.is_file():
        return None
    document = _load(file, {}, {}, {})
    _refuse_problems([document])
    if document.account is None:
        raise SpecError(f"{document.source.file} is no account document: it lacks the key 'rulebot_account: 1'")
    return document


def check_live_data(desk: LoadedBots) -> None:
    """Refuse real money on delayed data. Raises: MisuseError."""
    late = sorted(name for name, bot in desk.bots.items() if bot.plan.risk.delayed_data)
    if late:
        raise MisuseError(
            f"{', '.join(late)} may trade on delayed data ('delayed_data: allow'), and this account holds real money",
            "delayed data is for paper accounts: remove the key, or subscribe to live data",
        )


def check_overrides(desk: LoadedBots, overrides: Mapping[str, str]) -> None:
    """Refuse a `--set` that no bot has a parameter for. Raises: MisuseError."""
    known = {name for bot in desk.bots.values() for name in bot.plan.parameters}
    known |= {f"{bot.plan.name}.{name}" for bot in desk.bots.values() for name in bot.plan.parameters}
    for name in overrides:
        if name not in known:
            listed = ", ".join(sorted(each for each in known if "." not in each)) or "these bots have no parameters"
            raise MisuseError(f"no bot has a parameter '{name}'", f"parameters: {listed}")


def _in(unit: Unit, bound: Amount | None) -> Decimal | None:
    """Return a bound written in this unit, None for another unit."""
    return bound.value if bound is not None and bound.unit is unit else None


# --- The bots of a recorded run, compiled from the texts that it kept


def bot_of(run: Run, name: str) -> CompiledBot | None:
    """Return a bot as its run has it, None for a text that this version cannot read."""
    recorded = run.specs[name]
    text = SpecText(name, recorded["digest"], recorded["path"], recorded["text"], recorded.get("overrides") or {})
    try:
        return compile_text(text)
    except RulebotError:
        return None


# --- The files of a run, read again


def reread(sources: SpecSources, kept: Mapping[str, str] | None = None) -> LoadedBots:
    """Read and compile the files of a run again. A missing path is a removed spec.

    kept: what operators have set, by `BOT.NAME`.

    Raises: SpecError with every problem; MisuseError when no spec remains; NoSuchFiles for a path that
    is now something else; StoreError.
    """
    try:
        with chdir(sources.folder):
            paths = [path for path in sources.paths if is_named(path, _IF_TO_GO)]
            if not paths:
                raise MisuseError(
                    "all files of this run have been removed",
                    "'rulebot stop' ends it, 'rulebot pause' holds it",
                )
            if sources.account is not None and not sources.account.is_file():
                raise SpecError(f"the account document {sources.account} is gone")
            desk = load_all_bots(paths, sources.overrides, sources.account, kept)
    except OSError as error:
        raise StoreError(f"{sources.folder} cannot be entered: {error.strerror}") from error
    check_overrides(desk, sources.overrides)
    return replace(desk, sources=sources)


_IF_TO_GO = "take it away, too, if its bots are to go"


def is_named(path: str, help: str | None = None) -> bool:
    """Return whether a path leads to documents. Raises: NoSuchFiles, with this help, where it is something else."""
    try:
        return bool(find_files([path]))
    except NoSuchFiles as error:
        if os.path.lexists(path):
            raise NoSuchFiles(error.message, error.help or help) from error
        return False


# ---------------------------------------------------------------- limits and sources, as records keep them


def limits_as_json(desk: LoadedBots) -> Json:
    """Return the limits over all bots as a record keeps them, None without an account document."""
    if desk.account is None:
        return None
    recorded = encode(desk.limits())
    assert isinstance(recorded, dict)
    rules = "; ".join(f"{rule.name}: {rule_words(rule)}" for rule in desk.require)
    return {**recorded, "require": rules} if rules else recorded


def limit_words(was: Json, now: Json) -> tuple[str, ...]:
    """Return which limits change, `max_open 3 to 2`; from and to those of no account document."""
    before, after = _limits(was), _limits(now)
    return tuple(
        f"{name} {_shown(before.get(name))} to {_shown(after.get(name))}"
        for name in dict.fromkeys((*before, *after))
        if name != "is_built_in" and before.get(name) != after.get(name)
    )


def _limits(recorded: Json) -> Mapping[str, Json]:
    found = encode(BUILT_IN) if recorded is None else recorded
    assert isinstance(found, dict)
    return found


def _shown(limit: Json) -> str:
    if isinstance(limit, Mapping):
        return " ".join(str(part) for part in limit.values())
    return "none" if limit is None else str(limit).lower() if isinstance(limit, bool) else str(limit)


def sources_as_json(desk: LoadedBots) -> Json:
    """Return where a desk was read from, as a record keeps it."""
    found = desk.sources
    if found is None:
        return None
    return {
        "paths": list(found.paths),
        "overrides": dict(found.overrides),
        "account": None if found.account is None else str(found.account),
        "folder": str(found.folder),
    }


def sources_of(recorded: Any) -> SpecSources | None:
    """Return what `told_sources` made, None when there is nothing."""
    if not recorded:
        return None
    account = recorded["account"]
    return SpecSources(
        paths=tuple(recorded["paths"]),
        overrides=dict(recorded["overrides"]),
        account=None if account is None else Path(account),
        folder=Path(recorded["folder"]),
    )


def specs_as_json(desk: LoadedBots) -> dict[str, Json]:
    """Return the texts of all bots as a record keeps them."""
    return {text.name: text_as_json(text) for text in desk.texts}


def text_as_json(text: SpecText) -> dict[str, Json]:
    """Return one text as a record keeps it under its bot's name."""
    return {"digest": text.digest, "path": text.file, "text": text.text, "overrides": dict(text.overrides)}


def desk_as_json(desk: LoadedBots) -> dict[str, Json]:
    """Return all that a desk is compiled from, as a recording keeps it."""
    return {"specs": specs_as_json(desk), "account": desk.account_text}


def digests_of(specs: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of what `told_specs` made."""
    return {name: str(found["digest"]) for name, found in specs.items()}


# --- Parameters that an operator has set for one bot

log = logging.getLogger("rulebot.run")

SET = "RULEBOT_SET_"
"""What begins the names of environment variables that give a parameter its value."""
CLEAR_OVERRIDE_HELP = "'As in the file' on the page takes it back, and a '--set' at a start goes before it"
"""What to do about a value that is left out."""


def parameters_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that the environment gives. A variable that is set to nothing counts as not set.

    `RULEBOT_SET_TRADE_TIME` is that of each bot that has it, `RULEBOT_SET_SPY_PUT_SELLER__DELTA` that of one bot.
    """
    given = {name.removeprefix(SET).lower(): value for name, value in environ.items() if name.startswith(SET) and value}
    return {name.replace("__", ".", 1): value for name, value in given.items()}


def kept_overrides(reader: StoreReader) -> dict[str, str]:
    """Return the values that operators have set and not cleared, by `BOT.NAME`."""
    recorded = [record.data["kept"] for record in reader.records((Kind.RELOAD,)) if "kept" in record.data]
    found = recorded[-1] if recorded else {}
    assert isinstance(found, dict)
    return {name: str(text) for name, text in found.items()}


def with_values(kept: Mapping[str, str], bot: str, values: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the kept values after an operator has set these; "" clears one, and the file counts again."""
    found = {**kept, **{f"{bot}.{name}": text for name, text in values}}
    return {name: text for name, text in found.items() if text}


def refuse_flagged(flags: Mapping[str, str], bot: str, values: Iterable[tuple[str, str]]) -> None:
    """Refuse other values of what the run's own `--set` gives: the next start would undo them. Raises: MisuseError."""
    given = of_bot(flags, bot)
    for name, text in values:
        if text and name in given:
            raise MisuseError(
                f"'--set' of this run gives {bot} its '{name}', {given[name]}, and goes before what an operator sets",
                "stop and start without it",
            )


def with_kept_overrides(desk: LoadedBots, store: Place) -> LoadedBots:
    """Return loaded bots with the values kept in the store of their run. Raises: SpecError, StoreError.

    What no longer fits, since a bot or a parameter is gone or its text is another now, and what a flag goes before is
    left out and said.
    """
    there = is_there(store) if isinstance(store, Server) else store.is_file()
    if desk.sources is None or not there:
        return desk
    with StoreReader(store) as reader:
        kept = kept_overrides(reader)
    if not kept:
        return desk
    found = reread(desk.sources, kept)
    left_out = {name: words for name in sorted(kept) if (words := _left_out(desk, desk.sources.overrides, name))}
    for name, words in left_out.items():
        log.warning("%s, set by an operator, is ignored: %s", name, words)
    for words in left_out_words(found):
        log.warning("a value is ignored: %s; %s", words, CLEAR_OVERRIDE_HELP)
    if counts := [f"{name} {text}" for name, text in sorted(kept.items()) if name not in {*left_out, *found.left_out}]:
        log.warning("set by an operator: %s", ", ".join(counts))
    return found


def left_out_words(desk: LoadedBots, known: Container[str] = ()) -> list[str]:
    """Return what operators have set and does not fit the files, that aside which is `known`, and why not."""
    return [
        f"{name} {desk.kept[name]}, set by an operator, does not fit the file: {why}"
        for name, why in sorted(desk.left_out.items())
        if name not in known
    ]


def _left_out(desk: LoadedBots, flags: Mapping[str, str], name: str) -> str:
    """Return why what is kept does not count in a run, "" when it does."""
    bot, _, parameter = name.partition(".")
    if bot not in desk.bots or parameter not in desk.bots[bot].plan.parameters:
        return "no bot that runs has that parameter"
    return "a flag goes before it" if parameter in of_bot(flags, bot) else ""
