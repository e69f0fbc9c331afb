"""The file of people: who is told what, faults with their place, secrets that are not repeated."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rulebot.alerts.find import FOR_PEOPLE, Grade
from rulebot.alerts.people import Person, people_of, read_people
from rulebot.model.errors import SpecError, StoreError

WHOLE = """
again_after = "5m"
times = 2
every = "30s"

[[to]]
name = "phone"
url = "json://localhost:8000/secret"

[[to]]
name = "desk"
url_env = "DESK"
tell = ["grave", "digest"]
quiet = "22:00-07:00"
zone = "Europe/Berlin"
from_round = 2
"""


def test_a_whole_file_is_read() -> None:
    found = people_of(WHOLE, "alerts.toml", Path(), {"DESK": "mailto://a:b@example.org"})
    phone, desk = found.people
    assert (found.manner.again_after, found.manner.times, found.manner.every) == (300, 2, 30)
    assert (phone.name, phone.tell, phone.quiet, phone.from_round) == ("phone", FOR_PEOPLE, None, 1)
    assert (desk.url, desk.tell, desk.from_round) == ("mailto://a:b@example.org", (Grade.GRAVE, Grade.DIGEST), 2)
    assert found.wants == (*(("phone", grade) for grade in FOR_PEOPLE), ("desk", Grade.DIGEST))
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no recipient is named"),
        ("to = 3", "no recipient is named"),
        ("[[to]]\nurl = 'json://x'", "[[to]] 1: name is required"),
        ("[[to]]\nname = 'a'", "[[to]] 1: url: one of url, url_file and url_env is required"),
        ("[[to]]\nname = 'a'\nurl = 'x'", "an address is like"),
        ("[[to]]\nname = 'a'\nurl_env = 'NOT_THERE'", "the environment has no NOT_THERE"),
        ("[[to]]\nname = 'a'\nurl_file = 'not-there'", "the file cannot be read"),
        ("[[to]]\nname = 'a'\nurl = 'json://x'\nurl_env = 'A'", "one of url, url_file and url_env"),
        (
            "[[to]]\nname = 'a'\nurl = 'json://x'\ntell = ['graves']",
            "a list of grave, warning, trade, digest, decision is required",
        ),
        ("[[to]]\nname = 'a'\nhook = 'http://example.org/x'", "[[to]] 1: hook: an address with https:// is required"),
        ("[[to]]\nname = 'a'\nhook = 'json://x'", "an address with https:// is required"),
        ("[[to]]\nname = 'a'\nhook = 'https://x/y'\nurl = 'json://x'", "exactly one of url and hook is required"),
        ("[[to]]\nname = 'a'\nhook = 'https://x/y'\nhook_env = 'A'", "one of hook, hook_file and hook_env is required"),
        ("[[to]]\nname = 'a'\nurl = 'json://x'\nquiet = '22-7'", 'hours are written "22:00-07:00"'),
        ("[[to]]\nname = 'a'\nurl = 'json://x'\nquiet = '22:00-22:00'", "they end when they begin"),
        ("[[to]]\nname = 'a'\nurl = 'json://x'\nzone = 'Mars'", "a zone is written"),
        ("[[to]]\nname = 'a'\nurl = 'json://x'\nqiet = '22:00-07:00'", "unknown key 'qiet'; did you mean 'quiet'?"),
        ("again_after = 5\n[[to]]\nname = 'a'\nurl = 'json://x'", "again_after: a time is written"),
        ("times = 0\n[[to]]\nname = 'a'\nurl = 'json://x'", "times: a whole number from 1 to 20"),
        ("[[to]]\nname = 'a'\nurl = 'json://x'\n[[to]]\nname = 'a'\nurl = 'json://x'", "two are called 'a'"),
        ("[[to]", "this is not TOML"),
        pytest.param("to = " + "[" * 100_000, "this is not TOML: it is nested too deep", id="nested"),
        (
            "times = 2\n[[to]]\nname = 'a'\nurl = 'json://x'\nfrom_round = 3",
            "[[to]] 1: from_round = 3: a grave one is sent 2 times in all (times)",
        ),
        ("[[to]]\nname = 'a'\nurl = 'json://x'\nfrom_round = 2\ntell = ['digest']", "only grave ones are repeated"),
        ("[[to]]\nname = 'a'\nurl = 'json://x'\nfrom_round = 2", "no recipient gets a grave one the first time"),
        ("[[to]]\nname = 'a'\nhook = 'https://x/y'\nfrom_round = 2", "a program gets everything once"),
    ],
)
def test_a_fault_is_said_with_its_place_and_without_secrets(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        people_of(text, "alerts.toml", Path(), {})
    assert said in caught.value.message
    assert caught.value.message.startswith("alerts.toml: ")


@pytest.mark.parametrize("key", ["url_file", "url_env", "hook_file", "hook_env"])
@pytest.mark.parametrize("value", ["tgram://123:secret/7", "https://example.org/secret", "1234567:" + "secret" * 8])
def test_a_secret_where_its_file_or_variable_is_owed_is_not_repeated(key: str, value: str) -> None:
    with pytest.raises(SpecError, match="and not the secret itself") as caught:
        people_of(f"[[to]]\nname = 'a'\n{key} = '{value}'", "alerts.toml", Path(), {})
    assert "secret/" not in caught.value.message
    assert "secretsecret" not in caught.value.message
    assert "/secret" not in caught.value.message


def test_all_faults_are_said_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        people_of("times = 0\n[[to]]\nname = ''\nquiet = 'x'\n", "alerts.toml", Path(), {})
    assert len(caught.value.message.split("\n")) == 4


def test_an_address_comes_from_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("json://localhost/x\n")
    (tmp_path / "secret").chmod(0o600)
    found = people_of("[[to]]\nname = 'a'\nurl_file = 'secret'", "alerts.toml", tmp_path, {})
    assert found.people[0].url == "json://localhost/x"


def test_a_file_with_addresses_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text("[[to]]\nname = 'a'\nurl = 'json://localhost'\n")
    file.chmod(0o644)
    with pytest.raises(StoreError, match="can be read by others") as caught:
        read_people(file)
    assert caught.value.help == f"chmod 600 {file}"
    file.chmod(0o600)
    assert read_people(file).people[0].name == "a"
    with pytest.raises(StoreError, match="cannot be read"):
        read_people(tmp_path / "none.toml")


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
@pytest.mark.parametrize(
    "text",
    [
        "to = [{name = 'a', url = 'json://localhost'}]",
        "[[to]]\nname = 'a'\n\"url\" = 'json://localhost'",
        "chat.telegram = '1:a'\nchat.from = [7]\n[[to]]\nname = 'a'\nurl_env = 'A'",
        "chat = {telegram = '1:a', from = [7]}\n[[to]]\nname = 'a'\nurl_env = 'A'",
    ],
)
def test_however_an_address_is_written_others_cannot_read_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(text)
    file.chmod(0o644)
    with pytest.raises(StoreError, match="can be read by others"):
        read_people(file, {"A": "json://x"})
    file.chmod(0o600)
    assert read_people(file, {"A": "json://x"}).people[0].name == "a"


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
@pytest.mark.parametrize(
    "text",
    [
        "[[to]]\nname = 'a'\nurl_file = 'secret'",
        "[[to]]\nname = 'a'\nhook_file = 'secret'",
        "[chat]\ntelegram_file = 'secret'\nfrom = [7]\n[[to]]\nname = 'a'\nurl_env = 'A'",
    ],
)
def test_a_file_of_an_address_alone_that_others_can_read_is_refused_too(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secret"
    file.write_text("https://localhost/x\n")
    file.chmod(0o644)
    with pytest.raises(SpecError, match="can be read by others, and holds a secret: chmod 600 ") as caught:
        people_of(text, "alerts.toml", tmp_path, {"A": "json://x"})
    assert "localhost" not in caught.value.message
    file.chmod(0o600)
    assert len(people_of(text, "alerts.toml", tmp_path, {"A": "json://x"}).people) == 1


def test_quiet_hours_are_of_the_persons_own_zone_and_reach_over_midnight() -> None:
    desk = people_of(WHOLE, "alerts.toml", Path(), {"DESK": "json://x"}).people[1]
    asked = {hour: desk.is_quiet(datetime(2026, 11, 18, hour, 30, tzinfo=UTC)) for hour in (5, 6, 12, 20, 21, 23)}
    assert asked == {5: True, 6: False, 12: False, 20: False, 21: True, 23: True}
    assert not Person(name="a", url="json://x").is_quiet(datetime(2026, 11, 18, 3, tzinfo=UTC))


def test_a_program_hears_everything_unless_it_says_what() -> None:
    text = "[[to]]\nname = 'a'\nhook = 'https://x/secret'\n[[to]]\nname = 'b'\nhook_env = 'B'\ntell = ['trade']\n"
    first, second = people_of(text, "alerts.toml", Path(), {"B": "http://127.0.0.1:9/in"}).people
    assert (first.is_program, first.tell, first.url) == (True, tuple(Grade), "https://x/secret")
    assert (second.is_program, second.tell) == (True, (Grade.TRADE,))
    assert "secret" not in repr(first)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_file_with_the_address_of_a_program_is_a_secret_too(tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text("[[to]]\nname = 'a'\nhook = 'https://x/y'\n")
    file.chmod(0o644)
    with pytest.raises(StoreError, match="can be read by others"):
        read_people(file)


def test_neither_page_nor_top_needs_a_package_that_it_does_not_use() -> None:
    """Since modules were folded into one, `rulebot top` failed where apprise and FastAPI were not installed."""
    words = """
import sys
of_the_page = dict.fromkeys(["fastapi", "starlette", "pydantic", "jinja2"])
sys.modules.update({"apprise": None} | of_the_page)
import rulebot.cli.terminal.top
for name in of_the_page:
    del sys.modules[name]
import rulebot.web.live
"""
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
