"""docs/language/words.md has a row for every word, and is made anew when a word changes."""

import re
from pathlib import Path

from rulebot.review.word_pages import document, known_words, word_page

PAGE = Path(__file__).parents[3] / "docs" / "language" / "words.md"
MADE_BY = (
    "python -c 'from rulebot.review.word_pages import document; print(document(), end=\"\")' > docs/language/words.md"
)


def test_the_page_is_what_the_language_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), f"make it anew: {MADE_BY}"


def test_every_word_has_its_row_once() -> None:
    text = PAGE.read_text(encoding="utf-8")
    titles = re.findall(r"^- `(\S+)`(?: \([^:]+\))?: \S", text, re.MULTILINE)
    assert sorted(titles) == sorted(known_words())


def test_the_way_to_make_it_is_reported_to_who_adds_a_word() -> None:
    assert MADE_BY in (PAGE.parents[1] / "contributing.md").read_text(encoding="utf-8")


def test_no_argument_is_offered_that_the_schema_refuses() -> None:
    pages = [page for word in known_words() if (page := word_page(word)) is not None]
    text = "\n".join(line.words for page in pages for section in page.sections for line in section.lines)
    assert "'asof', open (default now)" in text
    assert "'method', straddle or iv (default straddle)" in text
    assert "'at', mid or natural (default start)" in text
