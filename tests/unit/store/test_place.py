"""Where a store is: paths and URLs, and that no password is ever shown."""

from pathlib import Path

import click
import pytest

from rulebot.cli.store_options import STORE
from rulebot.model.errors import MisuseError
from rulebot.store.place import Server, beside, full_name, place_of, shown_path, without_link, without_urls


def server(text: str) -> Server:
    found = place_of(text)
    assert isinstance(found, Server)
    return found


@pytest.mark.parametrize(
    "text", ["a.db", "runs/a-7.db", "/var/a.db", "C:\\runs\\a.db", "C:/runs/a.db", "postgresql.db", "a:b"]
)
def test_a_path_is_a_path(text: str) -> None:
    assert place_of(text) == Path(text)


@pytest.mark.parametrize(
    ("text", "shown", "what"),
    [
        ("postgresql://me@db:5433/bots", "postgresql://me@db:5433/bots",
         {"user": "me", "host": "db", "port": "5433", "dbname": "bots"}),
        ("postgres://db/bots", "postgresql://db/bots", {"host": "db", "dbname": "bots"}),
        ("postgresql:///bots", "postgresql:///bots", {"dbname": "bots"}),
        ("postgresql://me:secret@db/bots?sslmode=require", "postgresql://me@db/bots?sslmode=require",
         {"user": "me", "host": "db", "dbname": "bots", "sslmode": "require"}),
        ("postgresql://m%40e:s%2Fe@[::1]/b%20c", "postgresql://m%40e@[::1]/b%20c",
         {"user": "m@e", "host": "::1", "dbname": "b c"}),
        ("postgresql://me@/bots?host=/run/postgresql", "postgresql://me@/bots?host=/run/postgresql",
         {"user": "me", "host": "/run/postgresql", "dbname": "bots"}),
        ("postgresql://?service=bots", "postgresql:///?service=bots", {"service": "bots"}),
    ],
)  # fmt: skip
def test_a_url_is_a_server_and_named_without_its_password(text: str, shown: str, what: dict[str, str]) -> None:
    found = server(text)
    assert dict(found.what) == what
    assert (str(found), full_name(found), repr(found)) == (shown, shown, f"Server({shown})")
    assert server(shown) == found
    assert server(shown).digest == found.digest


def test_the_password_is_there_for_the_server() -> None:
    assert server("postgresql://me:s%2Fe%40@db/bots").password == "s/e@"
    assert server("postgresql://me:one@db/bots") == server("postgresql://me:other@db/bots")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mysql://me:secret@db/bots", "this is another URL"),
        ("postgresql+psycopg://me:secret@db/bots", "this is another URL"),
        ("postgresql://me:secret@db", "names no database"),
        ("postgresql://me:sec/ret@db/bots", "cannot be read"),
        ("postgresql://me:secret@db:port/bots", "cannot be read"),
        ("postgresql://me:sec#ret@db/bots", "(cannot be read|has a '#')"),
        ("postgresql://me@db/bots?password=secret", "has a parameter 'password'"),
        ("postgresql://me@db/bots?options=-csecret", "has a parameter 'options'"),
        ("postgresql://me@db/bots?secret", "cannot be read"),
    ],
)
def test_what_is_no_such_url_is_refused_without_repeating_it(text: str, words: str) -> None:
    with pytest.raises(MisuseError, match=words) as caught:
        place_of(text)
    for said in ("secret", "ret@"):
        assert said not in f"{caught.value} {caught.value.help}"
    with pytest.raises(Exception, match=words) as reported:
        STORE.convert(text, None, None)
    assert "secret" not in str(reported.value)


def test_a_link_that_leads_to_itself_is_a_place_like_others(tmp_path: Path) -> None:
    loop = tmp_path / "loop.db"
    loop.symlink_to(loop)
    assert without_link(loop) == loop


def test_an_empty_name_is_no_store() -> None:
    with pytest.raises(click.BadParameter, match="an empty name is no store"):
        STORE.convert("", None, None)


def test_what_lies_beside_a_store() -> None:
    found = server("postgresql://me:secret@db/bots")
    assert beside(Path("runs/a.db"), Path("data"), "-logs") == Path("runs/a-logs")
    assert beside(found, Path("data"), "-logs") == Path("data") / "servers" / found.digest / "logs"
    assert found.digest != server("postgresql://me@db/others").digest


def test_a_line_that_is_shown_ends_where_a_url_begins() -> None:
    assert without_urls('store = "postgresql://me:secret@db"') == 'store = "postgresql://...'
    assert without_urls("is 'POSTGRES://me:secret@db'") == "is 'POSTGRES://..."
    assert without_urls("x 'mysql://me:secret@db/y'") == "x 'mysql://..."
    assert without_urls("host = 'http://here'") == "host = 'http://here'"
    assert without_urls("store = 'runs/a.db'") == "store = 'runs/a.db'"


def test_a_path_is_shown_as_it_would_be_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "runs" / "a.db"
    monkeypatch.chdir(tmp_path)
    assert shown_path(store) == "runs/a.db"
    monkeypatch.chdir(tmp_path.anchor)
    assert shown_path(store) == str(store)
