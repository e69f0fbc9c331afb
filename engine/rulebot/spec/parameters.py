"""`$name` parameters: their values, what `--set` makes of them, and the tree with them put in their places."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Diagnostic, did_you_mean
from rulebot.spec.exit_kinds import EXIT_KEYS
from rulebot.spec.fast_schema import read_schema
from rulebot.spec.nouns import Path
from rulebot.spec.scalar import parameter_name
from rulebot.spec.source import Plain, Source
from rulebot.spec.spec import Parameter
from rulebot.spec.yaml import number_problem, plain_scalar

# --- Words that no leg and no let may be called


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GRAMMAR = EXIT_KEYS.keys() | _words(
    """all any not expr and or abs min max round true false unknown above at_least below at_most between outside beyond
    is name confirm max_age enabled activate_when close roll order resting grace repeat any_price of at by within take
    class cycle
    choose require on_conflict ratio quantity universe settle open mid natural market spot_within
    spot_beyond short_legs long_legs each_side each_short open_legs put_side call_side legs shares call put buy sell
    expiry
    delta premium side_credit otm let parameters extends entry exits exit_order risk protect max_time_without_stop
    filled unfilled hold exit nearest cancel unwind again patient normal urgent else null rank highest lowest
    symbols models"""
)


@lru_cache(maxsize=1)
def measures() -> frozenset[str]:
    """Return the measures that the schema has, and those that only a promotion counts."""
    names = {name[2:] for name in read_schema("strategy")["$defs"] if name.startswith("m_")}
    return frozenset(names - GRAMMAR | {"strike", "compliant_sessions", "sharpe"})


def reserved() -> frozenset[str]:
    """Return the words that no leg and no let may be called."""
    return measures() | GRAMMAR


KEYS_ELSEWHERE = _words("""method bars live require overwrite""")
"""Keys that may be mistaken for measures, with their place."""
KEYS_TO_COME = {
    ("again", "with"): "another spec waits for this one: 'last_exit: {called: NAME, is: stop}' under its own 'when'"
}
"""Keys, with their parent, that the language has and this version has not; and what says the same."""
SPELT_BEFORE = {
    ("at_daily_loss", "close"): "write 'at_daily_loss: {close: all}'",
    ("at_daily_loss", "stop_entries"): "leave it out, or write 'at_daily_loss: {close: none}'",
}
"""Keys with a word that they took before, and how that is written."""
_SIDE_AND_RIGHT = "'sell: put' and 'buy: call' say side and right in one"
WORDS_OF_OTHERS = {
    "action": _SIDE_AND_RIGHT,
    "allocation": "a part of the account is 'quantity: {max_loss: 0.05x net_liquidation, at_most: 10}'",
    "blackout": "'no_event: [CPI, my_days]' under 'when'; days of your own: 'rulebot events import'",
    "days_of_week": "'days: [mon, wed]'",
    "long": "what is bought is 'buy: put' or 'buy: call'",
    "max_trades": "'per_day' positions in a session, 'max_open' at once",
    "right": _SIDE_AND_RIGHT,
    "short": "what is sold is 'sell: put' or 'sell: call'",
    "side": _SIDE_AND_RIGHT,
}
"""Words of other programs that are no keys here, and what says the same."""
MEASURES_OF_OTHERS = {
    "delta": "of a leg that is 'leg_delta', of the whole structure 'position_delta'",
    "earnings": "'event: {of: [earnings], before: 1d}', or 'no_event' with the same",
    "gamma": "of a leg that is 'leg_gamma', of the whole structure 'position_gamma'",
    "gamma_exposure": "rulebot has no source for it; another program may send it: 'webhook'",
    "gex": "rulebot has no source for it; another program may send it: 'webhook'",
    "moving_average": "'sma' or 'ema', as in 'spot: {above: sma_20}' with 'let: {sma_20: {sma: {window: 20}}}'",
    "premium": "of the structure that is 'credit', or 'debit' where it is bought",
    "profit_target": "'target: {profit: 50%}'",
    "stop_loss": "'stop: {loss: 200%}' buys 1.00 back at 3.00, 'stop: {cost: 2x credit}' at 2.00",
    "take_profit": "'target: {profit: 50%}'",
    "theta": "of a leg that is 'leg_theta', of the whole structure 'position_theta'",
    "trailing_stop": "'stop: {give_back: 10%}', with 'activate_when: {profit: {at_least: 25%}}' from a profit on",
    "vega": "of a leg that is 'leg_vega', of the whole structure 'position_vega'",
}
"""The same, where a measure is expected."""
RENAMED_KEYS = {
    "armed_by": "activate_when",
    "at_least_from_spot": "min_otm_distance",
    "if_held": "on_conflict",
    "max_unprotected": "max_time_without_stop",
    "multiple_of": "round_to",
    "not_above": "max_strike",
    "not_below": "min_strike",
    "prefer_multiple_of": "prefer_round_to",
}
"""What keys are called now, by the name that they had."""
BOUNDED = {
    "delta": "nearest to 0.12 and no more than 0.02 off is 'delta: 0.12' together with 'within: 0.02'",
    "premium": "from 1.00 to 2.00 is 'premium: 1.50' together with 'within: 0.50'",
    "side_credit": "from 1.00 to 2.00 is 'side_credit: 1.50' together with 'within: 0.50'",
}
"""How a selector of strikes is held between two bounds: it takes one of them only."""


# --- `$name` parameters


@dataclass(frozen=True, slots=True)
class ReplacedParameters:
    """The tree with every `$name` replaced; `places` maps places to their parameter.

    `in_expressions` are the parameters that an `expr:` names; there they stay names.
    """

    tree: dict[str, Plain]
    parameters: tuple[Parameter, ...]
    places: Mapping[Path, str]
    in_expressions: frozenset[str]
    problems: tuple[Diagnostic, ...]


def of_bot(overrides: Mapping[str, str], bot: str) -> dict[str, str]:
    """Return the overrides of one bot by the names of its parameters: its own go before those of all."""
    own = {name.removeprefix(f"{bot}."): text for name, text in overrides.items() if name.startswith(f"{bot}.")}
    return {**{name: text for name, text in overrides.items() if "." not in name}, **own}


def meant_for(bots: Sequence[Mapping[str, Plain]], overrides: Mapping[str, str]) -> list[dict[str, str]]:
    """Return which overrides each of some bots takes, given as trees: `delta` each that has it, `put_lite.delta` one.

    A name that no document has is kept for all, so that each reports it.
    """
    taken = []
    for tree in bots:
        declared = tree.get("parameters")
        names = declared if isinstance(declared, dict) else {}
        given = of_bot(overrides, str(tree.get("name")))
        taken.append({name: text for name, text in given.items() if name in names})
    known = {each for tree, found in zip(bots, taken, strict=True) for name in found for each in _ways(tree, name)}
    stray = {name: text for name, text in overrides.items() if name not in known}
    return [{**found, **stray} for found in taken]


def _ways(bot: Mapping[str, Plain], name: str) -> tuple[str, str]:
    """Return how an override may name a parameter of a bot."""
    return name, f"{bot.get('name')}.{name}"


def replace_parameters(source: Source, tree: dict[str, Plain], overrides: Mapping[str, str]) -> ReplacedParameters:
    """Return the tree with the parameters' values in place, and every misuse of a parameter."""
    written = tree.get("parameters")
    declared = written if isinstance(written, dict) else {}
    values: dict[str, Plain] = {name: value for name, value in declared.items() if not isinstance(value, list | dict)}
    problems = [*_overridden(source, values, overrides), *_references(source, values, overrides)]
    places: dict[Path, str] = {}
    new: dict[str, Plain] = {}
    for key, value in tree.items():
        new[key] = value if key == "parameters" else _replace(value, (key,), values, places)
    problems += [_undeclared(source, path, name, values) for path, name in places.items() if name not in values]
    in_expressions = frozenset(_expression_words(tree)) & values.keys()
    problems += _unused(source, values, {*places.values(), *in_expressions})
    problems += _hiding(source, in_expressions)
    parameters = tuple(_parameter(source, name, overrides) for name in values)
    return ReplacedParameters(new, parameters, places, in_expressions, tuple(problems))


def _expression_words(tree: Plain) -> Iterator[str]:
    """Yield every word of every `expr:` in the tree."""
    if isinstance(tree, list):
        for item in tree:
            yield from _expression_words(item)
    if isinstance(tree, dict):
        for key, item in tree.items():
            if key == "expr" and isinstance(item, str):
                yield from re.findall(r"[a-z_][a-z0-9_]*", item)
            else:
                yield from _expression_words(item)


def _parameter(source: Source, name: str, overrides: Mapping[str, str]) -> Parameter:
    path: Path = ("parameters", name)
    text = overrides[name] if name in overrides else source.written(path)
    return Parameter(name=name, text=text, overridden=name in overrides, path=path)


def _overridden(source: Source, values: dict[str, Plain], overrides: Mapping[str, str]) -> list[Diagnostic]:
    problems = []
    for name, text in overrides.items():
        if name not in values:
            message = f"--set names the parameter '{name}', which this spec does not have"
            help = did_you_mean(name, values) or _known(values)
            problems.append(source.diagnostic("RB117", ("parameters",), message, help, at_key=True))
        elif (problem := number_problem(text.strip())) is not None:
            message = f"--set {name}={text}: {problem}"
            problems.append(source.diagnostic("RB151", ("parameters", name), message, "write it out, as in 0.08"))
        else:
            values[name] = plain_scalar(text.strip())
    return problems


def _references(source: Source, values: Mapping[str, Plain], overrides: Mapping[str, str]) -> list[Diagnostic]:
    """Return a problem for each parameter whose value is another one's name."""
    problems = []
    for name in [name for name, value in values.items() if parameter_name(value) is not None]:
        said = f"--set {name}={values[name]}: " if name in overrides else ""
        message = f"{said}a parameter is one value, not another parameter, is '{values[name]}'"
        problems.append(source.diagnostic("RB152", ("parameters", name), message, "write the value itself"))
    return problems


def _replace(value: Plain, path: Path, values: Mapping[str, Plain], places: dict[Path, str]) -> Plain:
    if isinstance(value, dict):
        return {key: _replace(item, (*path, key), values, places) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace(item, (*path, at), values, places) for at, item in enumerate(value)]
    name = parameter_name(value)
    if name is None:
        return value
    places[path] = name
    return values.get(name, value)


def _undeclared(source: Source, path: Path, name: str, values: Mapping[str, Plain]) -> Diagnostic:
    help = did_you_mean(name, values, "$") or _known(values)
    return source.diagnostic("RB117", path, f"unknown parameter '${name}'", help)


def _known(values: Mapping[str, Plain]) -> str:
    return f"its parameters: {', '.join(values)}" if values else "it has none; write them under 'parameters'"


def _hiding(source: Source, in_expressions: frozenset[str]) -> list[Diagnostic]:
    """In an `expr:` the bare name of a parameter is its value, even if it is also a measure."""
    return [
        source.diagnostic(
            "RB303",
            ("parameters", name),
            f"in an expression '{name}' is this parameter, and no longer the measure of that name",
            f"call it otherwise, as in 'my_{name}'",
            severity="warning",
            at_key=True,
        )
        for name in sorted(in_expressions & measures())
    ]


def _unused(source: Source, values: Mapping[str, Plain], used: set[str]) -> list[Diagnostic]:
    """Return a warning for each own parameter that is not used; an inherited one may be unused here."""
    return [
        source.diagnostic(
            "RB301",
            ("parameters", name),
            f"the parameter '{name}' is not used",
            f"write '${name}' where its value belongs, or remove it",
            severity="warning",
            at_key=True,
        )
        for name in values
        if name not in used and not source.span(("parameters", name), key=True).above
    ]
