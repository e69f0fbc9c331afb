"""What is said of a file that cannot be made: in words, with its name once, and never with a number of the system."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rulebot.adapters.recorded.file import RecordingWriter
from rulebot.alerts.notifier import Notifier
from rulebot.model.errors import StoreError, in_words
from rulebot.store.place import make_secret


def alert_sender(file: Path) -> None:
    nothing: Any = None
    Notifier(file, nothing, nothing)


@pytest.mark.parametrize(
    ("makes", "words"),
    [
        (make_secret, "{file} cannot be made: {why}"),
        (lambda file: RecordingWriter(file, {}), "no recording can be written to {file}: {why}"),
        (alert_sender, "the outbox of alerts cannot be made: {why}"),
    ],
)
def test_a_file_below_another_file(makes: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    file = tmp_path / "a" / "b" / "c.db"
    with pytest.raises(StoreError) as caught:
        makes(file)
    assert caught.value.message == words.format(file=file, why="Not a directory")


def test_an_error_that_is_not_of_the_system_says_what_it_says() -> None:
    assert in_words(ValueError("no such thing")) == "no such thing"
    assert in_words(TimeoutError("timed out")) == "timed out"
