"""The page of one word: what it means, in which unit, by which formula, from where, how old, where it may stand."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rulebot.compile.measures.measure import Measure, Parameter, Place, may_stand
from rulebot.compile.units import WRITTEN
from rulebot.compile.vocabulary import VOCABULARY
from rulebot.evaluate.phrases import listed
from rulebot.review import amounts, lexicon
from rulebot.review.explanation import Explanation, Line, Section
from rulebot.review.meanings import COMPARISONS, FUNCTIONS, VALUES
from rulebot.spec import suggest

_MANY = 6
"""Places of one kind that are named before the rest is only counted."""


def known_words() -> tuple[str, ...]:
    """Return every word that has a page."""
    return tuple(dict.fromkeys((*VOCABULARY, *lexicon.vocabulary_index(), *VALUES, *COMPARISONS, *FUNCTIONS)))


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
        found = lexicon.measure_schema(word).get("description", VOCABULARY[word].formula)
        return str(found)
    places = _own_places(word)
    if places and word not in COMPARISONS:
        return places[0].description
    return {**FUNCTIONS, **VALUES, **COMPARISONS}[word]


def _own_places(word: str) -> Sequence[lexicon.WordPlace]:
    """Return where a key stands; that a measure may stand as a condition is told by its own section."""
    found = lexicon.vocabulary_index().get(word, ())
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
        return "true or false by itself: it takes no comparison"
    if measure.name == "last_exit":
        return "a word after 'is': the name of an exit"
    if measure.words:
        return f"a word after 'is': {listed(measure.words, 'or')}"
    units = listed(tuple(WRITTEN[unit] for unit, _ in measure.units), "or")
    if measure.multiples:
        return f"{units}, or a multiple of {listed(measure.multiples, 'or')} ('2x {measure.multiples[0]}')"
    return f"{units}, another measure of the same unit, or a multiple of one"


def _source(measure: Measure) -> str:
    if measure.max_age is None:
        return measure.source
    return f"{measure.source}; unknown when older than {amounts.duration(measure.max_age)}"


def _arguments(measure: Measure) -> Iterator[str]:
    """Yield the arguments that can be written, with the words of each that the schema takes."""
    keys = lexicon.argument_words(measure.name)
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
    for example in lexicon.measure_schema(measure.name).get("examples", ())[:2]:
        yield f"{measure.name}: {flow(example)}"


# ---------------------------------------------------------------- a key


def _keys(word: str) -> Iterator[Section]:
    """Yield a section for every meaning of a key: places that say the same of it stand together."""
    groups: dict[tuple[str, str, str], list[lexicon.WordPlace]] = {}
    for place in _own_places(word):
        groups.setdefault((place.document, place.description, place.applies), []).append(place)
    for (document, description, _), places in groups.items():
        is_said = description == _about(word) and len(groups) == 1
        yield Section(_title(document), tuple(_key_lines(word, "" if is_said else description, places)))


def _title(document: str) -> str:
    return {"strategy": "Key", "account": "Account", "universe": "Universe"}[document]


def _key_lines(word: str, description: str, places: Sequence[lexicon.WordPlace]) -> Iterator[Line]:
    first = places[0]
    examples = [f"{word}: {flow(example)}" for example in first.examples[:2]]
    rows = (
        ("is", description),
        ("takes", _takes(first)),
        ("stands in", _stands_in(places)),
        ("an edit", lexicon.APPLIES.get(first.applies, "")),
        ("as in", "; ".join(examples)),
    )
    yield from (Line(name=name, words=words) for name, words in rows if words)


def _takes(place: lexicon.WordPlace) -> str:
    if place.words:
        return listed(place.words, "or")
    found = _OWED.fullmatch(place.owed)
    if found is None:
        return place.owed
    subject, rest = found.groups()
    return f"{subject} {rest}" if rest.startswith("written") else rest


_OWED = re.compile(r"((?:an?|this|days)\b[\w' ]*?) (?:is|are) (.*)")
"""What the schema says that a place owes: `a duration is written with its unit`."""


def _stands_in(places: Sequence[lexicon.WordPlace]) -> str:
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
    paths = dict.fromkeys(place.path for place in lexicon.given().get(word, ()))
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
