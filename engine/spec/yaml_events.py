"""A text to the events of ruamel's own parser, with the looks between its parts taken once.

ruamel's scanner and parser find their reader, resolver and scanner anew at every character and token; a document spends
a third of its time on that. Here they are found when a document begins; nothing about YAML is decided in this file.
"""

from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.parser import Parser
from ruamel.yaml.scanner import Scanner


class _Scanner(Scanner):
    reader: Any = None
    scanner_processing_version: Any = None

    def __init__(self, loader: Any) -> None:
        self.reader = loader.reader
        self.scanner_processing_version = loader.resolver.processing_version
        super().__init__(loader=loader)

    def check_token(self, *choices: Any) -> bool:
        while self.need_more_tokens():
            self.fetch_more_tokens()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def need_more_tokens(self) -> bool:
        if self.done:
            return False
        if not self.tokens:
            return True
        return bool(self.possible_simple_keys) and bool(super().need_more_tokens())


class _Parser(Parser):
    scanner: Any = None
    resolver: Any = None

    def __init__(self, loader: Any) -> None:
        self.scanner = loader.scanner
        self.resolver = loader.resolver
        super().__init__(loader=loader)


def events(text: str) -> Iterator[Any]:
    """Yield the parser's events. Raises: YAMLError, while they are read."""
    yaml = YAML(typ="safe", pure=True, plug_ins=[])
    yaml.Scanner, yaml.Parser = _Scanner, _Parser
    return iter(yaml.parse(text))
