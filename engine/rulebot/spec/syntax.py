"""What the YAML scanner complains of, said in the words of somebody who writes a spec."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from rulebot.spec.diagnostic import Span


class Complaint(NamedTuple):
    """A syntax error: what is wrong, what to do, and where."""

    code: str
    message: str
    help: str | None
    span: Span


NO_COLON = "a key without ':'"
_NO_KEY = "a ':' stands where no key can be"
_CONFLICT = re.compile(r"(?:<{7}|>{7})(?= |$)|={7}$")
_OPENS = re.compile(r"""[ -]*(?:[A-Za-z_]\w*: +)?(["'])""")
_JOINED = re.compile(r"[ -]*([A-Za-z_]\w*):((?:\u00a0|[^\s:]).*)$")
_BAD_START = re.compile(r"found character '(.*)' that cannot start any token", re.DOTALL)


def complaint(error: Any, lines: Sequence[str]) -> Complaint:
    """Return a scanner's or parser's error in a text of these lines, reworded."""
    if (conflict := _conflict(lines)) is not None:
        return conflict
    found = _reworded(error)
    line = lines[found.span.line - 1] if found.span.line <= len(lines) else ""
    if (tab := _tab_between_words(getattr(error, "problem_mark", None), lines)) is not None:
        return Complaint("RB104", "a tab stands between words", "write a space, or put the text in quotes", tab)
    if found.code == "RB104" and line[: found.span.col - 1].strip(" -\t"):
        return found._replace(message="a tab stands between words", help="write a space, or put the text in quotes")
    if found.message == NO_COLON:
        return _without_space(found, line)
    return _unclosed(found, lines) or _look_alike(found, lines) or _key_of_value(found, lines) or found


def _conflict(lines: Sequence[str]) -> Complaint | None:
    """Return the complaint of the first line by which git marks two texts of which one is to be chosen."""
    for number, line in enumerate(lines, 1):
        if (mark := _CONFLICT.match(line)) is not None:
            help = "keep what is meant of both sides, and remove the lines of '<', '=' and '>'"
            return Complaint("RB103", "git left a conflict of two texts here", help, Span(number, 1, mark.end() + 1))
    return None


def _unclosed(found: Complaint, lines: Sequence[str]) -> Complaint | None:
    """Return the complaint of a quote that one further down closed, right before what the parser complains of."""
    quote = lines[found.span.line - 1][: found.span.col - 1][-1:] if found.span.line <= len(lines) else ""
    for number in range(found.span.line - 1, 0, -1) if quote in ("'", '"') else ():
        line = lines[number - 1]
        if quote not in line:
            continue
        opens = _OPENS.match(line)
        if opens is None or opens[1] != quote or quote in line[opens.end() :]:
            return None
        span = Span(number, opens.end(), opens.end() + 1)
        return Complaint("RB103", "a quoted text is not closed", "add the closing quote", span)
    return None


def _tab_between_words(mark: Any, lines: Sequence[str]) -> Span | None:
    """Return the tab right before what the parser complains of: in braces it ends the word before it."""
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    at = mark.column - 1 if line else 0
    if line[at : at + 1] != "\t" or not line[:at].strip(" -\t") or line[:at].rstrip()[-1] in ",:[{":
        return None
    return Span(mark.line + 1, at + 1, at + 2)


def _look_alike(found: Complaint, lines: Sequence[str]) -> Complaint | None:
    """Return the complaint of a dash or blank that only looks like that of YAML, where one brought this about.

    It stands at the beginning of the line of the complaint, or of one above it in what it stands in.
    """
    from rulebot.spec.habits import DASHES, ODD_BEGIN  # only what is wrong needs it

    for number in range(min(found.span.line, len(lines)), 0, -1):
        line = lines[number - 1]
        if (odd := ODD_BEGIN.match(line)) is not None:
            span = Span(number, odd.start(1) + 1, odd.start(1) + 2)
            if odd[1] in DASHES:
                message = f"'{odd[1]}' is no hyphen: nothing begins with it"
                return Complaint("RB103", message, "an item of a list begins with the hyphen, '- '", span)
            return Complaint("RB103", "a no-break space stands here", "write a space in its place", span)
        if number < found.span.line and line.strip() and len(line) - len(line.lstrip()) < found.span.col - 1:
            return None
    return None


def _without_space(found: Complaint, line: str) -> Complaint:
    """Return the complaint of a key without a colon, said of what a person sees: the colon is there, a space is not."""
    if (place := line.find("\u00a0")) >= 0:
        span = Span(found.span.line, place + 1, place + 2)
        return found._replace(message="a no-break space stands here", help="write a space in its place", span=span)
    if (joined := _JOINED.match(line)) is not None:
        key, value = joined.groups()
        message = f"behind '{key}:' a space is missing"
        return found._replace(
            message=message, help=f"write '{key}: {value if len(value) <= 40 else f'{value[:37]}...'}'"
        )
    return found


def _key_of_value(found: Complaint, lines: Sequence[str]) -> Complaint | None:
    """Return the complaint of a key whose colon lacks its space, there or a line above: what follows is no key then."""
    for number in (found.span.line, found.span.line - 1) if found.message == _NO_KEY else ():
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        if (joined := _JOINED.match(line)) is not None:
            at = joined.start(1)
            return _without_space(found._replace(span=Span(number, at + 1, at + 2)), line)
    return None


def _reworded(error: Any) -> Complaint:
    problem = str(getattr(error, "problem", None) or error)
    here = _span(getattr(error, "problem_mark", None))
    began = _span(getattr(error, "context_mark", None) or getattr(error, "problem_mark", None))
    if (bad := _BAD_START.search(problem)) is not None:
        return _bad_start(bad.group(1), here)
    for words, message, help, at_start in _REWORDED:
        if words in problem:
            return Complaint("RB103", message, help, began if at_start else here)
    return Complaint("RB103", f"this is not YAML: {problem.splitlines()[0]}", None, here)


def _bad_start(letter: str, here: Span) -> Complaint:
    if letter in ("\\t", "\t"):
        return Complaint("RB104", "a tab stands where spaces indent", "indent with two spaces", here)
    help = "a percentage is written 50%" if letter == "%" else f'put it in quotes: "{letter}..."'
    return Complaint("RB103", f"a value cannot begin with '{letter}'", help, here)


def _span(mark: Any) -> Span:
    if mark is None:
        return Span(1, 1, 2)
    return Span(mark.line + 1, mark.column + 1, mark.column + 2)


_REWORDED = (
    (
        "mapping values are not allowed here",
        _NO_KEY,
        "check the indentation of this line and of the one above, or put the value in quotes",
        False,
    ),
    ("found unexpected end of stream", "a quoted text is not closed", "add the closing quote", True),
    ("found unexpected document separator", "a quoted text is not closed", "add the closing quote", True),
    ("expected ',' or ']'", "a '[' is not closed, or a ',' or a quote is missing", "close the list with ']'", True),
    ("expected ',' or '}'", "a '{' is not closed, or a ',' or a quote is missing", "close the mapping with '}'", True),
    ("expected <block end>", "this does not fit what stands around it", "check its indentation and brackets", False),
    ("could not find expected ':'", NO_COLON, "write 'key: value'", True),
    ("found unknown escape character", "no such escape in a double-quoted text", "use single quotes", False),
    ("expected alphabetic or numeric character", "anchors and aliases are not part of the language", None, False),
    ("sequence entries are not allowed here", "a list begins where none can", "put '- ' on a line of its own", False),
    ("expected '<document start>'", "what stands above this is no key", "begin it with '#' if it is a comment", False),
    ("found a tab character", "a tab stands where spaces indent", "indent with two spaces", False),
)
