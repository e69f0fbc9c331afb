"""Settings: file, environment over it, flags over that; what is wrong is said with its place."""

import os
from pathlib import Path

import pytest

from rulebot.cli.store_options import STORE
from rulebot.model.errors import MisuseError, SpecError, StoreError
from rulebot.process.settings import Settings, folder_of, load_settings, read_settings
from rulebot.store.place import beside, place_of

DATA = Path("data")


def test_without_anything_the_paper_gateway_is_meant() -> None:
    assert load_settings(data=DATA) == Settings(
        host="127.0.0.1",
        port=None,
        live_port=None,
        client_id=1,
        account="",
        store=DATA / "runs" / "rulebot.db",
        live_store=DATA / "runs" / "live.db",
        observe_store=DATA / "runs" / "observe.db",
        logs=DATA / "logs",
    )


def test_flags_go_over_the_environment_and_that_over_the_file() -> None:
    text = 'host = "10.0.0.5"\nport = 7497\nclient_id = 3\naccount = "DU1"\n'
    environ = {"RULEBOT_PORT": "4001", "RULEBOT_CLIENT_ID": "0", "RULEBOT_UNRELATED": "x"}
    found = load_settings(text, environ=environ, flags={"client_id": 9, "account": None})
    assert (found.host, found.port, found.client_id, found.account) == ("10.0.0.5", 4001, 9, "DU1")


@pytest.mark.parametrize(("said", "host"), [("[::1]", "::1"), ("::1", "::1"), ("[x]", "[x]")])
def test_an_address_may_stand_in_brackets_as_in_front_of_a_port(said: str, host: str) -> None:
    """`--gateway [::1]:4002` looked for a machine of that name, brackets and all."""
    assert load_settings(flags={"host": said}).host == host


def test_every_setting_has_its_variable() -> None:
    environ = {
        "RULEBOT_HOST": "gateway",
        "RULEBOT_PORT": "7497",
        "RULEBOT_LIVE_PORT": "7496",
        "RULEBOT_CLIENT_ID": "5",
        "RULEBOT_ACCOUNT": "U7",
        "RULEBOT_STORE": "other.db",
        "RULEBOT_LIVE_STORE": "money.db",
        "RULEBOT_OBSERVE_STORE": "seen.db",
        "RULEBOT_LOGS": "other-logs",
        "RULEBOT_LINES": "190",
        "RULEBOT_MESSAGES": "20",
        "RULEBOT_REQUESTS": "30",
        "RULEBOT_ANSWER_WAIT": "60",
        "RULEBOT_STORE_WAIT": "5",
        "RULEBOT_MEMORY_WAIT": "20",
        "RULEBOT_LOG_SIZE": "2",
        "RULEBOT_LOG_FILES": "3",
        "RULEBOT_LOG_LEVEL": "warning",
        "RULEBOT_LOG_CONSOLE": "1",
        "RULEBOT_LOG_TO_FILE": "false",
    }
    assert load_settings(environ=environ) == Settings(
        host="gateway",
        port=7497,
        live_port=7496,
        client_id=5,
        account="U7",
        store=Path("other.db"),
        live_store=Path("money.db"),
        observe_store=Path("seen.db"),
        logs=Path("other-logs"),
        lines=190,
        messages=20,
        requests=30,
        answer_wait=60,
        store_wait=5,
        memory_wait=20,
        log_size=2,
        log_files=3,
        log_level="warning",
        log_console=True,
        log_to_file=False,
    )


def test_an_empty_variable_is_one_not_set() -> None:
    assert load_settings(environ={"RULEBOT_PORT": ""}).port is None


def test_a_path_in_the_file_is_seen_from_the_file() -> None:
    found = load_settings('store = "bots.db"', "desk/rulebot.toml")
    assert found.store == Path("desk/bots.db")
    absolute = Path("bots.db").absolute()
    assert load_settings(f"store = '{absolute}'", "desk/rulebot.toml").store == absolute


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_link_is_the_store_that_it_leads_to(tmp_path: Path) -> None:
    """The lock of a store, what is asked of its engine, and its recordings lie beside the file."""
    (tmp_path / "link.db").symlink_to(tmp_path / "bots.db")
    found = load_settings('store = "link.db"', str(tmp_path / "rulebot.toml"))
    assert found.store == STORE.convert(str(tmp_path / "link.db"), None, None) == (tmp_path / "bots.db").resolve()


def test_every_problem_of_the_file_is_shown_at_its_place() -> None:
    text = '# the desk\nhots = "x"\nport = 99999\n\n[stor]\npath = 1\n'
    with pytest.raises(SpecError) as caught:
        load_settings(text, "rulebot.toml")
    assert caught.value.message.split("\n") == [
        "rulebot.toml:2:1: error[RB612]: unknown setting 'hots'",
        '    2 | hots = "x"',
        "      | ^^^^",
        "   = help: did you mean 'host'?",
        "rulebot.toml:3:1: error[RB613]: a whole number from 1 to 65535 is required, is 99999",
        "    3 | port = 99999",
        "      | ^^^^",
        "rulebot.toml:5:2: error[RB612]: unknown setting 'stor'",
        "    5 | [stor]",
        "      |  ^^^^",
        "   = help: did you mean 'store'?",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("port = = 1", "rulebot.toml:1:8: error[RB611]"),
        ('host = "a\nport = 1', "rulebot.toml:1:10: error[RB611]"),
        (f"port = {'[' * 100_000}", "rulebot.toml:1:1: error[RB611]: this is not TOML: it is nested too deep"),
        (f"{'port.' * 3000}x = 1", "rulebot.toml:1:1: error[RB611]: this is not TOML: it is nested too deep"),
    ],
    ids=["value", "text", "brackets", "dots"],
)
def test_broken_toml_is_an_error_at_its_place(text: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_settings(text)
    assert caught.value.message.startswith(place)


@pytest.mark.parametrize("value", ["true", "4002.0", '"many"', "0", "[]"])
def test_a_port_is_a_port(value: str) -> None:
    with pytest.raises(SpecError, match="RB613"):
        load_settings(f"port = {value}")


def test_a_wrong_variable_and_a_wrong_flag_are_named() -> None:
    with pytest.raises(MisuseError, match="RULEBOT_PORT: a whole number from 1 to 65535 is required, is 'paper'"):
        load_settings(environ={"RULEBOT_PORT": "paper"})
    with pytest.raises(MisuseError, match="--client-id: a whole number"):
        load_settings(flags={"client_id": -1})
    with pytest.raises(MisuseError, match="unknown setting 'prot'"):
        load_settings(flags={"prot": 1})


def test_the_file_beside_the_specs_is_read(tmp_path: Path) -> None:
    assert read_settings(None, tmp_path, DATA, {}).port is None
    (tmp_path / "rulebot.toml").write_text("port = 4003", encoding="utf-8")
    assert read_settings(None, tmp_path, DATA, {}).port == 4003
    assert read_settings(None, tmp_path, DATA, {"RULEBOT_PORT": "4001"}, {"port": 4002}).port == 4002


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_settings(tmp_path / "none.toml", tmp_path, DATA, {})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """It was waited for without end."""
    os.mkfifo(tmp_path / "rulebot.toml")
    with pytest.raises(StoreError, match=r"rulebot\.toml cannot be read: it is a pipe, not a file"):
        read_settings(tmp_path / "rulebot.toml", tmp_path, DATA, {})


def test_the_file_may_lie_among_the_specs(tmp_path: Path) -> None:
    (tmp_path / "rulebot.toml").write_text("port = 4003\n")
    assert read_settings(None, folder_of(None, [tmp_path / "one.yaml"]), DATA, {}).port == 4003


def test_a_store_may_be_on_a_server_and_its_logs_lie_in_a_folder_of_their_own() -> None:
    url = "postgresql://me@db/bots"
    for found in (
        load_settings(f'store = "{url}"', data=DATA),
        load_settings(environ={"RULEBOT_STORE": url}, data=DATA),
        load_settings(flags={"store": place_of(url)}, data=DATA),
    ):
        assert found.store == place_of(url)
        assert found.logs == beside(place_of(url), DATA, "-logs")
    assert load_settings(f'store = "{url}"\nlogs = "mine"', data=DATA).logs == Path("mine")
    assert load_settings(f'live_store = "{url}"', data=DATA).live_store == place_of(url)


@pytest.mark.parametrize(
    "url", ["postgresql://me:hidden@db", "postgresql://me:hidden@db:x/y", "mysql://me:hidden@db/y"]
)
def test_a_url_that_cannot_be_meant_is_refused_without_its_password(url: str) -> None:
    tries = (lambda: load_settings(f'store = "{url}"'), lambda: load_settings(environ={"RULEBOT_LIVE_STORE": url}))
    for each in tries:
        with pytest.raises((SpecError, MisuseError), match=r"the store|a store") as caught:
            each()
        assert "hidden" not in f"{caught.value}"
    with pytest.raises(SpecError) as reported:
        load_settings(f'prot = "{url.replace("mysql", "postgres")}"')
    assert "hidden" not in str(reported.value)


def test_a_database_may_be_said_in_parts_each_with_a_default() -> None:
    found = load_settings(environ={"RULEBOT_DB_HOST": "postgres"}, data=DATA)
    assert found.store == place_of("postgresql://rulebot@postgres:5432/rulebot")
    assert found.live_store == place_of("postgresql://rulebot@postgres:5432/rulebot_live")
    assert found.logs == beside(found.store, DATA, "-logs")
    parts = {"DB_PORT": "6000", "DB_NAME": "desk", "DB_LIVE_NAME": "money", "DB_USER": "me"}
    found = load_settings(environ={f"RULEBOT_{name}": value for name, value in parts.items()})
    assert str(found.store) == "postgresql://me@127.0.0.1:6000/desk"
    assert str(found.live_store) == "postgresql://me@127.0.0.1:6000/money"


def test_of_two_stores_the_one_that_is_said_later_is_taken() -> None:
    environ = {"RULEBOT_DB_HOST": "postgres"}
    assert str(load_settings('store = "a.db"', environ=environ).store) == "postgresql://rulebot@postgres:5432/rulebot"
    flagged = load_settings(environ=environ, flags={"store": "b.db"})
    assert flagged.store == Path("b.db")
    assert str(flagged.live_store) == "postgresql://rulebot@postgres:5432/rulebot_live"
    assert load_settings('db_host = "postgres"', environ={"RULEBOT_STORE": "c.db"}).store == Path("c.db")


def test_a_store_said_twice_in_one_place_is_refused() -> None:
    with pytest.raises(MisuseError, match="the environment says twice what the store is: by 'store' and by 'db_host'"):
        load_settings(environ={"RULEBOT_STORE": "a.db", "RULEBOT_DB_HOST": "postgres"})
    with pytest.raises(MisuseError, match=r"desk\.toml says twice"):
        load_settings('store = "a.db"\ndb_name = "desk"', "desk.toml")
