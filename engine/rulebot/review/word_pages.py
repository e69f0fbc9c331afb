"""The pages of words and of codes: a word's meaning and places, a code's meaning and how to fix it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from rulebot.compile import problem
from rulebot.compile.units import WRITTEN
from rulebot.measure.definition import Measure, Parameter, Place, may_stand
from rulebot.measure.words import listed
from rulebot.measures.registry import VOCABULARY
from rulebot.model.text import duration
from rulebot.model.values import dataclass
from rulebot.review.explanation import Explanation, Line, Section
from rulebot.spec import diagnostic as codes
from rulebot.spec import diagnostic as suggest
from rulebot.spec.fast_schema import read_schema
from rulebot.spec.nouns import Unit

# --- Every word of the language with its places, read from the schemas

Schema = Mapping[str, Any]

DOCUMENTS = ("strategy", "account", "universe")
APPLIES = {
    "next": "reaches the next position",
    "pinned": "reaches positions opened after it; an open one keeps its text",
    "at_once": "reaches all positions at once",
}
"""What an edit of a field reaches (`x-applies`)."""
COMPARED = frozenset({"above", "at_least", "below", "at_most", "between", "outside", "beyond", "is"})
_MEASURE, _LET = "#/$defs/m_", "#/$defs/let_"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordPlace:
    """One place where a key is allowed. `path` leads there with dots: `order.step`; LEG is a leg's own name.

    expected: its values, in words. words: those it takes. applies: what an edit reaches, "" below a measure.
    """

    document: str
    path: str
    description: str
    expected: str
    words: tuple[str, ...]
    examples: tuple[Any, ...]
    applies: str


@lru_cache(maxsize=1)
def vocabulary_index() -> Mapping[str, tuple[WordPlace, ...]]:
    """Return every key of the language with its places, in the order of the schemas."""
    found: dict[str, list[WordPlace]] = {}
    for document in DOCUMENTS:
        schema = read_schema(document)
        walk = _Walk(document, schema["$defs"])
        for name, place in walk.keys(schema, "", ""):
            if place not in found.setdefault(name, []):
                found[name].append(place)
    return {name: tuple(places) for name, places in found.items()}


def measure_schema(name: str) -> Schema:
    """Return the schema's text of a measure; nothing for one that is allowed in `expr:` only."""
    found: Schema = read_schema("strategy")["$defs"].get(f"m_{name}", {})
    return found


def argument_words(name: str) -> Mapping[str, tuple[str, ...]] | None:
    """Return the keys that a measure takes in braces, each with the words it lists; None for one without braces."""
    properties: Schema | None = measure_schema(name).get("properties")
    if properties is None:
        return None
    return {
        key: tuple(word for choice in node.get("anyOf", ()) for word in choice.get("enum", ()))
        for key, node in properties.items()
    }


class _Walk:
    """One pass over a schema; `inside` holds the present definitions, so that it ends."""

    def __init__(self, document: str, definitions: Schema) -> None:
        self.document, self.definitions = document, definitions
        self.inside: list[str] = []

    def keys(self, node: Schema, path: str, applies: str) -> Iterator[tuple[str, WordPlace]]:
        """Yield every key below a node with its place."""
        for name, child in node.get("properties", {}).items():
            if path.partition(".")[0] in VOCABULARY and name in COMPARED:
                continue
            ref = child.get("$ref", "")
            below = name if ref.startswith(_MEASURE) else f"{path}.{name}" if path else name
            whole = self._whole(child)
            reach = whole.get("x-applies", applies) if not ref.startswith(_MEASURE) else ""
            yield name, self._place(below, whole, reach)
            yield from self._below(child, below, reach)
        extra = node.get("additionalProperties")
        if isinstance(extra, dict):
            yield from self._below(extra, f"{path}.LEG", applies)
        if isinstance(node.get("items"), dict):
            yield from self._below(node["items"], path, applies)

    def _below(self, child: Schema, path: str, applies: str) -> Iterator[tuple[str, WordPlace]]:
        ref = child.get("$ref", "")
        if ref in self.inside or ref.startswith(_LET) or ref == "#/$defs/let":
            return
        self.inside.append(ref or path)
        yield from self.keys(self._whole(child), path, applies)
        self.inside.pop()

    def _whole(self, node: Schema) -> Schema:
        """Return a node with what it refers to; its own words go first."""
        ref = node.get("$ref")
        return node if ref is None else {**self.definitions[ref.rpartition("/")[2]], **node}

    def _place(self, path: str, node: Schema, applies: str) -> WordPlace:
        return WordPlace(
            document=self.document,
            path=path,
            description=node.get("description", ""),
            expected=node.get("x-owed", ""),
            words=tuple(dict.fromkeys(self._words(node))),
            examples=tuple(node.get("examples", ())),
            applies=applies,
        )

    def _words(self, node: Schema) -> Iterator[str]:
        """Yield the words that a place takes: those it lists, those of its choices and of its items."""
        yield from (word for word in (*node.get("enum", ()), *node.get("x-words", ())) if isinstance(word, str))
        for choice in (*node.get("anyOf", ()), *([node["items"]] if isinstance(node.get("items"), dict) else [])):
            yield from self._words(self._whole(choice))


@lru_cache(maxsize=1)
def given() -> Mapping[str, tuple[WordPlace, ...]]:
    """Return every word that a key takes, with the places of those keys."""
    found: dict[str, list[WordPlace]] = {}
    for places in vocabulary_index().values():
        for place in places:
            for word in place.words:
                found.setdefault(word, []).append(place)
    return {word: tuple(places) for word, places in found.items()}


# --- Meanings of words that are neither measures nor keys

VALUES: Mapping[str, str] = {
    "straddle": "by the at-the-money straddle's mid",
    "iv": "by at-the-money volatility and time to expiry",
    "mid": "halfway between bid and ask; of a structure, the sum of its legs",
    "natural": "the price that fills at once: sells at the bid, buys at the ask",
    "market": "a market order: it fills at any price",
    "cancel": "cancels the unfilled rest; whole structures that filled stay",
    "unwind": "cancels the unfilled rest and closes unpaired legs",
    "again": "keeps stepping, at most to natural, until done",
    "patient": "the broker's adaptive algorithm waits longest for a better price",
    "normal": "the broker's adaptive algorithm between patient and urgent",
    "urgent": "the broker's adaptive algorithm gives up price for speed",
    "until_filled": "the conditions are judged until the window ends",
    "once": "the first true or false decides the window; unknown does not",
    "unfilled": "an entry whose order ended without a fill",
    "filled": "an entry that filled: another may follow",
    "any": "any outcome of the previous entry",
    "skip": "no trade while a bot holds one of the contracts the other way round",
    "none": "open positions keep their exits",
    "allow": "it is done, with its risk",
    "shift": "the leg takes the next strike further out that no position holds the other way round",
    "hold": "raises the alarm and does nothing; a roll waits for the next session",
    "exit": "acts as if it were true, and raises the alarm",
    "all": "the whole position",
    "put_side": "every put of the structure",
    "call_side": "every call of the structure",
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "settle": "the rest expires: cash, exercise or assignment",
    "each_short": "each short leg separately; an exit judges and closes it alone",
    "each_side": "puts and calls, each judged and closed alone",
    "open_legs": "the legs still open, each from its own entry price",
    "short_legs": "every leg that was sold",
    "long_legs": "every leg that was bought",
    "spot": "at the money: the listed strike nearest to the underlying's price",
    "nearest": "the listed strike nearest to the requested one",
    "away": "the next listed strike further from the money",
    "toward": "the next listed strike nearer to the money",
    "earliest": "the first of the expiries that qualify",
    "latest": "the last of the expiries that qualify",
    "monthly": "expiries of the third Friday of a month, or the session before where the exchange is closed then",
    "call": "an option to buy",
    "put": "an option to sell",
    "shares": "the underlying itself, in lots of 100; a share has no strike and does not expire",
    "open": "the session's open, 09:30 in New York; of a bot, that it holds something",
    "close": "the session's close, 16:00 in New York, 13:00 on half days; of a change, the previous session's; of a"
    " roll, it only closes",
    "entry": "for a change, the value when the position's entry was first sent, or when a roll opened it",
    "expiry": "the day on which the legs expire",
    "close_to_close": "the deviation of daily log returns from close to close",
    "refuse": "quotes that come late count as unknown",
    "volume": "contracts traded today",
    "open_interest": "contracts open since yesterday's close",
    "parkinson": "by the range from low to high of each session; what is moved over night is not in it",
    "yang_zhang": "by open, high, low and close of each session, and by the move over night before it",
    "intraday": "by the moves of five minutes within each session, and by the move over night before it",
    "1m": "bars of one minute",
    "2m": "bars of 2 minutes",
    "3m": "bars of 3 minutes",
    "5m": "bars of 5 minutes",
    "10m": "bars of 10 minutes",
    "15m": "bars of 15 minutes",
    "30m": "bars of 30 minutes",
    "CPI": "the consumer price index, 08:30 on its day",
    "FOMC": "the rate decision of the Federal Reserve, 14:00 on its day",
    "NFP": "the employment report (non-farm payrolls), 08:30 on its day",
    "OPEC": "a meeting of OPEC, or of OPEC and its partners, on oil production",
    "earnings": "the company's results; indices and funds have none",
    "cash": "the cash of the account",
    "ignore": "nothing is checked",
    "net_liquidation": "the account's value if everything were closed now",
    **{
        word: meaning
        for measure in VOCABULARY.values()
        for meanings in (measure.words, *(parameter.meanings for parameter in measure.parameters))
        for word, meaning in meanings.items()
        if meaning
    },
}
"""Words after a key."""

COMPARISONS: Mapping[str, str] = {
    "above": "greater than this",
    "at_least": "this or greater",
    "below": "less than this",
    "at_most": "this or less",
    "between": "from the first to the second, both included",
    "outside": "less than the first or greater than the second",
    "beyond": "further from 0 than this, up or down",
    "is": "this word",
}
"""How a measure is compared; the other side is a number with its unit, a measure, or a multiple of one."""

FUNCTIONS: Mapping[str, str] = {
    "abs": "the size of a number, without its sign",
    "min": "the least of several numbers",
    "max": "the largest of several numbers",
    "round": "a number without its decimals",
    "and": "true while both sides are",
    "or": "true while one side is",
    "not": "true while what follows is false; unknown stays unknown",
}
"""Words of `expr:` besides measures."""


# --- The page of one word

_MANY = 6
"""Places of one kind that are named before the rest is only counted."""


def known_words() -> tuple[str, ...]:
    """Return every word that has a page."""
    return tuple(dict.fromkeys((*VOCABULARY, *vocabulary_index(), *VALUES, *COMPARISONS, *FUNCTIONS)))


def did_you_mean(word: str, others: Iterable[str] = ()) -> str:
    """Return what an unknown word may have been meant to be; "" when nothing is near.

    others: names besides the words of the language that may have been meant.
    """
    return suggest.did_you_mean(word, (*known_words(), *others)) or ""


def word_page(word: str) -> Explanation | None:
    """Return everything a word means in the language, None for one that it does not have."""
    sections = (*_measure(word), *_comparison(word), *_keys(word), *_value(word), *_function(word))
    if not sections:
        return None
    return Explanation(kind="word", name=word, about=_about(word), sections=sections)


def _about(word: str) -> str:
    if word in VOCABULARY:
        found = measure_schema(word).get("description", VOCABULARY[word].formula)
        return str(found)
    places = _own_places(word)
    if places and word not in COMPARISONS:
        return places[0].description
    return {**FUNCTIONS, **VALUES, **COMPARISONS}[word]


def _own_places(word: str) -> Sequence[WordPlace]:
    """Return where a key is allowed; its own section says that a measure is a condition."""
    found = vocabulary_index().get(word, ())
    return tuple(place for place in found if place.path != word or word not in VOCABULARY)


# ---------------------------------------------------------------- a measure


def _measure(word: str) -> Iterator[Section]:
    measure = VOCABULARY.get(word)
    if measure is None:
        return
    rows = (
        ("is", measure.formula),
        ("in", _units(measure)),
        ("reads", _source(measure)),
        ("takes", "; ".join(_arguments(measure))),
        ("stands in", ", ".join(place.value for place in Place if may_stand(measure, place))),
        ("as in", "; ".join(_measure_examples(measure))),
    )
    yield Section("Measure", tuple(Line(name=name, words=words) for name, words in rows if words))


def _units(measure: Measure) -> str:
    if measure.is_truth:
        return "true or false: it takes no comparison"
    if measure.is_name:
        return "a word after 'is': the name of an exit"
    if measure.words:
        return f"a word after 'is': {listed(tuple(measure.words), 'or')}"
    units = listed(tuple(WRITTEN[unit] for unit, _ in measure.units), "or")
    if measure.multiples:
        return f"{units}, or a multiple of {listed(measure.multiples, 'or')} ('2x {measure.multiples[0]}')"
    return f"{units}, another measure of the same unit, or a multiple of one"


def _source(measure: Measure) -> str:
    if measure.max_age is None:
        return measure.source
    return f"{measure.source}; unknown when older than {duration(measure.max_age)}"


def _arguments(measure: Measure) -> Iterator[str]:
    """Yield the arguments that can be written, with the words of each that the schema takes."""
    keys = argument_words(measure.name)
    for parameter in measure.parameters:
        if keys is None or parameter.name in keys:
            yield _argument(parameter, () if keys is None else keys[parameter.name])


def _argument(parameter: Parameter, words: Sequence[str]) -> str:
    choices = tuple(each for each in parameter.choices if each in words)
    takes = listed(choices, "or") if choices else parameter.takes.value
    default = ", must be given" if parameter.required else ""
    if parameter.default is not None and not parameter.required:
        default = f" (default {parameter.default})"
    return f"'{parameter.name}', {takes}{default}"


def _measure_examples(measure: Measure) -> Iterator[str]:
    for example in measure_schema(measure.name).get("examples", ())[:2]:
        yield f"{measure.name}: {flow(example)}"


# ---------------------------------------------------------------- a key


def _keys(word: str) -> Iterator[Section]:
    """Yield a section for every meaning of a key: places with the same meaning are together."""
    groups: dict[tuple[str, str, str], list[WordPlace]] = {}
    for place in _own_places(word):
        groups.setdefault((place.document, place.description, place.applies), []).append(place)
    for (document, description, _), places in groups.items():
        is_said = description == _about(word) and len(groups) == 1
        yield Section(_title(document), tuple(_key_lines(word, "" if is_said else description, places)))


def _title(document: str) -> str:
    return {"strategy": "Key", "account": "Account", "universe": "Universe"}[document]


def _key_lines(word: str, description: str, places: Sequence[WordPlace]) -> Iterator[Line]:
    first = places[0]
    examples = [f"{word}: {flow(example)}" for example in first.examples[:2]]
    rows = (
        ("is", description),
        ("takes", _takes(first)),
        ("stands in", _stands_in(places)),
        ("an edit", APPLIES.get(first.applies, "")),
        ("as in", "; ".join(examples)),
    )
    yield from (Line(name=name, words=words) for name, words in rows if words)


def _takes(place: WordPlace) -> str:
    if place.words:
        return listed(place.words, "or")
    found = _REQUIRED.fullmatch(place.expected)
    if found is None:
        return place.expected
    subject, rest = found.groups()
    return f"{subject} {rest}" if rest.startswith("written") else rest


_REQUIRED = re.compile(r"((?:an?|this|days)\b[\w' ]*?) (?:is|are) (.*)")
"""What a place requires by the schema: `a duration is written with its unit`."""


def _stands_in(places: Sequence[WordPlace]) -> str:
    """Return the parents of a key, the document itself for one at its top."""
    return _some([place.path.rpartition(".")[0] or "the document" for place in places])


def _some(names: Sequence[str]) -> str:
    """Return the first of many names, and how many more there are."""
    more = len(names) - _MANY
    return ", ".join(names[:_MANY]) + (f" and {more} more" if more > 0 else "")


# ---------------------------------------------------------------- other words


def _value(word: str) -> Iterator[Section]:
    if word not in VALUES:
        return
    paths = dict.fromkeys(place.path for place in given().get(word, ()))
    keys = sorted(paths, key=lambda path: path.partition(".")[0] in VOCABULARY)
    rows = [Line(name="is", words=VALUES[word])]
    if keys:
        rows.append(Line(name="given to", words=_some(keys)))
    yield Section("Word", tuple(rows))


def _comparison(word: str) -> Iterator[Section]:
    if word in COMPARISONS:
        example = {
            "between": "vix: {between: [14, 30]}",
            "outside": "vix: {outside: [14, 30]}",
            "is": "session: {is: full}",
        }
        rows = (
            Line(name="is", words=f"true while the measure is {COMPARISONS[word]}; unknown while either side is"),
            Line(name="takes", words="a number with its unit, a measure, or a multiple of one ('0.6x day_move')"),
            Line(name="as in", words=example.get(word, f"vix_change: {{{word}: 3 pts}}")),
        )
        yield Section("Compares", rows[:1] + rows[2:] if word == "is" else rows)


def _function(word: str) -> Iterator[Section]:
    if word in FUNCTIONS:
        yield Section("In expr", (Line(name="is", words=FUNCTIONS[word]),))


# ---------------------------------------------------------------- YAML in one line

_TIME = re.compile(r"\d\d:\d\d")


def flow(value: Any) -> str:
    """Return an example of the schema as a spec writes it: `{from: "10:30", to: "13:30"}`."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case bool():
            return str(value).lower()
        case str() if _TIME.match(value) or ": " in value or ", " in value:
            return f'"{value}"'
        case _:
            return str(value)


# --- docs/language/words.md

_HEAD = """\
# Every word

Each word of specs and account documents, with its unit and one sentence. `rulebot explain WORD` prints formula, source,
arguments, places and examples. Start with [language.md](../language.md). This page is generated.

[Measures](#measures), [keys](#keys), [comparisons](#comparisons), [functions](#functions-of-expressions),
[values](#values)
"""
_CHAPTERS = ("Measures", "Keys", "Comparisons", "Functions of expressions", "Values")
_CLAUSE = re.compile(r"((?:\S+ ){2}.+?)(?:[.;:] .*|\.)?", re.DOTALL)
"""What a word means up to the first full stop, semicolon or colon behind its third word."""
_SHORT_UNITS = {
    Unit.NUMBER: "number",
    Unit.POINTS: "pts",
    Unit.DOLLARS: "$",
    Unit.PERCENT: "%",
    Unit.MULTIPLE: "multiple",
    Unit.SECONDS: "duration",
    Unit.SESSIONS: "sessions",
    Unit.R: "R",
}


def document() -> str:
    """Return the page: one row a word, by kind, in the order of the alphabet."""
    kinds: dict[str, list[str]] = {chapter: [] for chapter in _CHAPTERS}
    for word in sorted(known_words()):
        kinds[_kind(word)].append(_row(word))
    return "\n\n".join((_HEAD.rstrip(), *(f"## {title}\n\n" + "\n".join(rows) for title, rows in kinds.items()))) + "\n"


def _kind(word: str) -> str:
    if word in VOCABULARY:
        return "Measures"
    if word in COMPARISONS:
        return "Comparisons"
    if word in vocabulary_index():
        return "Keys"
    return "Functions of expressions" if word in FUNCTIONS else "Values"


def _row(word: str) -> str:
    """Return a word, its unit, and the first clause of what it means."""
    measure = VOCABULARY.get(word)
    unit = f" ({_short_units(measure)})" if measure else ""
    about = _about(word)
    found = _CLAUSE.fullmatch(about)
    return f"- `{word}`{unit}: {found[1] if found else about.rstrip('.')}"


def _short_units(measure: Measure) -> str:
    if measure.is_truth:
        return "true/false"
    if measure.words or measure.is_name:
        return "word"
    return "/".join(_SHORT_UNITS[unit] for unit, _ in measure.units)


# --- A page for every code

CODES: Mapping[str, str] = dict(sorted({**problem.CODES, **codes.CODES}.items()))
"""What each code means, in one line."""

_CODE_CHAPTERS = (("RB1", "Text, structure, scalars and names"), ("RB2", "Meaning"), ("RB3", "Lint"))
_FIX = re.compile(r"^Fix: (.+)\n", re.MULTILINE)
_EXAMPLE = re.compile(r"```yaml (wrong|right)(?: on (\d{4}-\d\d-\d\d))?\n(.*?)```\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """One code. The examples are parts of a spec; `on` is the day they are right or wrong on, "" for any."""

    code: str
    meaning: str
    wrong: str
    right: str
    fix: str
    why: str
    on: str = ""


def page_of(code: str) -> Explanation | None:
    """Return the page of a code; None for what is no code."""
    page = pages().get(code.upper())
    if page is None:
        return None
    on = f"on {page.on}, " if page.on else ""
    kind = "a warning: 'accept' switches it off, with a reason" if page.code.startswith("RB3") else "an error"
    sections = (
        Section("Is", (Line(words=kind),)),
        Section("Wrong", _lines(page.wrong, on)),
        Section("Right", _lines(page.right, on)),
        Section("Fix", (Line(words=page.fix),)),
        Section("Why", (Line(words=page.why),)),
    )
    return Explanation(kind="code", name=page.code, about=page.meaning, sections=sections)


def _lines(yaml: str, on: str) -> tuple[Line, ...]:
    day = (Line(words=f"{on}as in"),) if on else ()
    return (*day, *(Line(words=line.rstrip()) for line in yaml.rstrip("\n").split("\n")))


@cache
def pages() -> Mapping[str, Page]:
    """Return every page by its code."""
    return {code: _page(code, body) for code, body in _bodies().items()}


def _page(code: str, body: str) -> Page:
    examples = {kind: (text, day) for kind, day, text in _EXAMPLE.findall(body)}
    (wrong, day), (right, _) = examples["wrong"], examples["right"]
    text = _EXAMPLE.sub("", body)
    (fix,) = _FIX.findall(text)
    return Page(code, CODES[code], wrong, right, fix, " ".join(_FIX.sub("", text).split()), day)


@cache
def _written() -> str:
    return Path(__file__).with_name("code_pages.md").read_text(encoding="utf-8")


def _bodies() -> dict[str, str]:
    _, *parts = re.split(r"^## (RB\d{3})\n", _written(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


# ---------------------------------------------------------------- the document


def code_pages_document() -> str:
    """Return docs/diagnostics.md: the introduction, and a table of codes with meaning and remedy."""
    head = re.split(r"^## RB", _written(), maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    return "\n\n".join((head, *(_table(prefix, title) for prefix, title in _CODE_CHAPTERS))) + "\n"


def _table(prefix: str, title: str) -> str:
    rows = [f"| {code} | {page.meaning} | {page.fix} |" for code, page in pages().items() if code.startswith(prefix)]
    return "\n".join((f"## {title}", "", "| code | what it is | remedy |", "|---|---|---|", *rows))
