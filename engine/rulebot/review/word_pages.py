"""docs/language/words.md: the page of every word of the language, made of the schemas and the vocabulary.

What `rulebot explain WORD` says of one word stands there of all, so that nothing that a spec may say is undocumented.
"""

from collections.abc import Iterator

from rulebot.compile.vocabulary import VOCABULARY
from rulebot.review import lexicon
from rulebot.review.explanation import Explanation, Section
from rulebot.review.meanings import COMPARISONS, FUNCTIONS
from rulebot.review.word_page import known_words, word_page

_HEAD = """\
# Every word

What `rulebot explain WORD` says, of all words that a spec or an account document may hold. This page is made of the
schemas and of the engine's own vocabulary; [language.md](../language.md) is the one to read first.
"""
_CHAPTERS = ("Measures", "Keys", "Comparisons", "Functions of expressions", "Values")


def document() -> str:
    """Return the page: a list of the words of each kind, then one below the other, in the order of the alphabet."""
    kinds: dict[str, list[str]] = {chapter: [] for chapter in _CHAPTERS}
    for word in sorted(known_words()):
        kinds[_kind(word)].append(word)
    shown = [part for chapter, words in kinds.items() for part in _chapter(chapter, words)]
    return "\n\n".join((_HEAD.rstrip(), *shown)) + "\n"


def _kind(word: str) -> str:
    if word in VOCABULARY:
        return "Measures"
    if word in COMPARISONS:
        return "Comparisons"
    if word in lexicon.vocabulary_index():
        return "Keys"
    return "Functions of expressions" if word in FUNCTIONS else "Values"


def _chapter(title: str, words: list[str]) -> Iterator[str]:
    yield f"## {title}"
    yield ", ".join(f"[`{word}`](#{word.lower()})" for word in words)
    for word in words:
        page = word_page(word)
        assert page is not None, f"{word} is known and has no page"
        yield from _page(page)


def _page(page: Explanation) -> Iterator[str]:
    yield f"### {page.name}"
    yield page.about[:1].upper() + page.about[1:] + ("" if page.about.endswith(".") else ".")
    yield from (_table(section) for section in page.sections)


def _table(section: Section) -> str:
    rows = [f"| {line.name} | {_cell(line.words, is_code=line.name == 'as in')} |" for line in section.lines]
    return "\n".join((f"| {section.title} | |", "|---|---|", *rows))


def _cell(words: str, *, is_code: bool) -> str:
    plain = words.replace("|", "\\|")
    return "<br>".join(f"`{each}`" for each in plain.split("; ")) if is_code else plain
