"""A text to the events of ruamel's own parser, with the looks between its parts taken once.

ruamel's scanner and parser find their reader and scanner anew at every character and token, and pass over
blanks, comments and plain scalars character by character; a document spends most of its time on that. Here they are
found when a document begins, and such stretches are passed over at once. Nothing about YAML is decided in this file:
events and errors are ruamel's own, which tests/unit/spec/test_yaml_events.py compares. Comments are in no event.
"""

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import StringMark
from ruamel.yaml.events import ScalarEvent
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner
from ruamel.yaml.tokens import ScalarToken

_END = r"\n\0\r\x85\u2028\u2029"
_BLANK = re.compile(rf" *(?:#[^{_END}]*)?")
_BLANK_IN_FLOW = re.compile(rf"[ \t]*(?:#[^{_END}]*)?")
_PLAIN = re.compile(rf"(?:[^: \t{_END}]|:(?![ \t{_END}]))*")
_PLAIN_IN_FLOW = re.compile(rf"(?:[^:,\[\]{{}} \t{_END}]|:(?![ \t{_END}]))*")


class _Mark(StringMark):
    __slots__ = ()

    def __init__(self, name: Any, index: int, line: int, column: int, buffer: Any, pointer: Any) -> None:
        self.name = name
        self.index = index
        self.line = line
        self.column = column
        self.buffer = buffer
        self.pointer = pointer


class _Reader(Reader):
    """Of a text, which is there as a whole, with a zero behind its end."""

    def forward(self, length: int = 1) -> None:
        end = self.pointer + length
        passed = self.buffer[self.pointer : end]
        if end + 1 >= len(self.buffer) or "\n" in passed or "\r" in passed or "\ufeff" in passed:
            super().forward(length)
        else:
            self.pointer = end
            self.index += length
            self.column += length

    def get_mark(self) -> Any:
        return _Mark(self.name, self.index, self.line, self.column, self.buffer, self.pointer)

    def past(self, stretch: re.Pattern[str]) -> str:
        """Go past what matches here, and return it."""
        found = stretch.match(self.buffer, self.pointer)
        passed = found[0] if found else ""
        if passed:
            self.forward(len(passed))
        return passed


class _Scanner(Scanner):
    reader: Any = None

    def __init__(self, loader: Any) -> None:
        self.reader = loader.reader
        super().__init__(loader=loader)

    def check_token(self, *choices: Any) -> bool:
        if self.possible_simple_keys or not self.tokens:
            while self.need_more_tokens():
                self.fetch_more_tokens()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def need_more_tokens(self) -> bool:
        if self.done:
            return False
        if not self.tokens:
            return True
        return bool(self.possible_simple_keys) and bool(super().need_more_tokens())

    def scan_to_next_token(self) -> None:
        if self.reader.index == 0 and self.reader.peek() == "\ufeff":
            self.reader.forward()
        blank = _BLANK_IN_FLOW if self.flow_context else _BLANK
        self.reader.past(blank)
        while self.scan_line_break():
            if not self.flow_context:
                self.allow_simple_key = True
            self.reader.past(blank)

    def scan_plain(self) -> Any:
        if self.scanner_processing_version == (1, 1):
            return super().scan_plain()
        reader = self.reader
        plain = _PLAIN_IN_FLOW if self.flow_context else _PLAIN
        begins = ends = reader.get_mark()
        least = self.indent + 1
        parts: list[str] = []
        spaces: list[str] = []
        while reader.peek() != "#" and (part := reader.past(plain)):
            self.allow_simple_key = False
            parts += [*spaces, part]
            ends = reader.get_mark()
            spaces = self.scan_plain_spaces(least, begins)
            if not spaces or (not self.flow_context and reader.column < least):
                break
        return ScalarToken("".join(parts), True, begins, ends)


class _Parser(Parser):
    scanner: Any = None
    resolver: Any = None

    def __init__(self, loader: Any) -> None:
        self.scanner = loader.scanner
        self.resolver = loader.resolver
        super().__init__(loader=loader)

    def parse_node(self, block: bool = False, indentless_sequence: bool = False) -> Any:
        if not self.scanner.check_token(ScalarToken):
            return super().parse_node(block, indentless_sequence)
        scalar = self.scanner.get_token()  # what most nodes are: without anchor and tag
        self.state = self.states.pop()
        implicit = (True, False) if scalar.plain else (False, True)
        return ScalarEvent(None, None, implicit, scalar.value, scalar.start_mark, scalar.end_mark, scalar.style)


def events(text: str) -> Iterator[Any]:
    """Yield the parser's events. Raises: YAMLError, while they are read."""
    yaml = YAML(typ="safe", pure=True, plug_ins=[])
    yaml.Reader, yaml.Scanner, yaml.Parser = _Reader, _Scanner, _Parser
    return iter(yaml.parse(text))
