"""The files of deploy/: what they promise in their words, and what linters say of them where those are installed."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from free_port import free_port
from ruamel.yaml import YAML

from rulebot.cli.main import main
from rulebot.cli.web import WHERE
from rulebot.process.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = sorted(DEPLOY.glob("docker-compose*.yml"))
SCRIPTS = sorted(DEPLOY.glob("*.sh"))
VARIABLE = re.compile(r"\$\{([A-Z_]+)")
SECRETS = ("tws_password", "web_token", "metrics_token", "grafana_password")
NEEDED = bool(os.environ.get("RULEBOT_NEEDS_LINTERS"))
"""Set where linters are owed: then the absence of one is a fault, and no skip."""


def document(file: Path) -> Any:
    return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))


def test_the_workflow_for_pull_requests_installs_a_commit_and_never_what_has_the_name() -> None:
    workflow = document(ROOT / "examples" / ".github" / "workflows" / "rulebot-diff.yml")
    installs = [step["run"] for step in workflow["jobs"]["diff"]["steps"] if "pip install" in step.get("run", "")]
    assert installs == ['pip install --quiet "rulebot @ $RULEBOT"']
    assert re.fullmatch(r"git\+https://\S+@[0-9a-f]{40}", workflow["env"]["RULEBOT"])


@pytest.mark.skipif(sys.platform != "linux", reason="the workflow runs on Linux, with its sed")
def test_nothing_of_a_document_leaves_its_fence_in_the_summary_of_a_pull_request(tmp_path: Path) -> None:
    """Its lines stood there as they were: headings and pictures of who opened the pull request were shown as ours."""
    workflow = document(ROOT / "examples" / ".github" / "workflows" / "rulebot-diff.yml")
    (words,) = [step["run"] for step in workflow["jobs"]["diff"]["steps"] if step.get("id") == "diff"]
    for name, text in (("git", "echo began"), ("rulebot", "printf '%s\\n' '```' '<h1>all is well</h1>' >&2; exit 2")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "BASE": "main", "MOST": "10%"}
    environ |= {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    subprocess.run(["bash", "-e", "-c", words], cwd=tmp_path, env=environ, check=True)
    assert (tmp_path / "summary").read_text() == "```text\n'''\n<h1>all is well</h1>\n```\n\n"
    assert (tmp_path / "output").read_text() == "code=2\n"


def services(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = document(file)["services"]
    return found


def program(name: str) -> str:
    """Return a linter's path; skips, or fails where it is owed."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        assert not NEEDED, f"{name} is not installed"
        pytest.skip(f"needs {name}")
    return found


def said_by(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run([str(each) for each in command], capture_output=True, encoding="utf-8", check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


# ---------------------------------------------------------------- linters


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_compose_files_are_what_the_compose_specification_allows(file: Path) -> None:
    code, said = said_by(program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", file)
    assert code == 0, said


def test_the_dockerfile_is_as_its_linter_wants_it() -> None:
    assert said_by(program("hadolint"), DEPLOY / "Dockerfile") == (0, "")


def test_the_scripts_are_as_their_linter_wants_them() -> None:
    assert said_by(program("shellcheck"), *SCRIPTS) == (0, "")


def test_systemd_takes_the_unit_and_finds_it_shut_in(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    unit = tmp_path / "rulebot.service"
    text = (DEPLOY / "rulebot.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/rulebot/bin/rulebot", sys.executable), encoding="utf-8")
    assert said_by(analyze, "verify", unit) == (0, "")
    code, said = said_by(analyze, "security", "--offline=yes", "--threshold=15", unit)
    assert code == 0, said


# ---------------------------------------------------------------- what is promised


def test_only_the_page_is_published_and_on_loopback() -> None:
    published = {
        name: each["ports"] for name, each in services(DEPLOY / "docker-compose.yml").items() if "ports" in each
    }
    assert published == {"rulebot": ["127.0.0.1:${RULEBOT_WEB_PUBLISHED_PORT:-8080}:8080"]}
    for file in COMPOSE:
        for each in services(file).values():
            assert all(port.startswith("127.0.0.1:") for port in each.get("ports", ())), file.name


def test_every_service_restarts_is_bounded_and_logs_with_an_end() -> None:
    made = [found for file in COMPOSE for found in services(file).items() if "image" in found[1]]
    assert "postgres" in dict(made)
    for name, each in made:
        assert each["restart"] == "unless-stopped", name
        assert each["mem_limit"], name
        assert each["logging"]["options"]["max-size"], name
        assert "no-new-privileges:true" in each["security_opt"], name
        assert not each.get("privileged"), name


def test_what_is_a_persons_own_is_kept_out_of_git() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    sources = {
        each["file"].removeprefix("./").split("/")[0]
        for each in document(DEPLOY / "docker-compose.yml")["secrets"].values()
    }
    assert {f"/deploy/{name}/" for name in (*sources, "desk")} <= set(ignored)
    assert "/deploy/.env" in ignored


def test_no_secret_is_in_a_variable() -> None:
    for file in COMPOSE:
        for name, each in services(file).items():
            for variable in each.get("environment", {}):
                hides = re.search(r"PASSWORD|TOKEN|SECRET", variable)
                assert not hides or variable.endswith("_FILE"), f"{name}: {variable}"
    written = re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "example.env").read_text(encoding="utf-8"), re.MULTILINE)
    assert not [name for name in written if re.search(r"PASSWORD|TOKEN|SECRET", name) and not name.endswith("_FILE")]


def test_the_store_and_the_logs_are_on_a_volume() -> None:
    rulebot = services(DEPLOY / "docker-compose.yml")["rulebot"]
    assert rulebot["volumes"][0] == "data:/data"
    assert rulebot["environment"]["RULEBOT_LOGS"] == "${RULEBOT_LOGS:-/data/logs}"
    assert "RULEBOT_DATA=/data" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_new_yorks_time_comes_along_where_the_system_brings_none() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert "tzdata" in asked
    words = "from rulebot.model.session import EXCHANGE_ZONE as zone; print(zone.key)"
    without = {**os.environ, "PYTHONTZPATH": ""}
    done = subprocess.run([sys.executable, "-c", words], env=without, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "America/New_York"), done.stderr


def test_example_env_has_every_variable_and_no_other() -> None:
    written = set(re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "example.env").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {name for file in COMPOSE for name in VARIABLE.findall(file.read_text(encoding="utf-8"))}
    page = {str(option) for each in WHERE for option in _variables(each)}
    settings = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings)}
    more = {
        "RULEBOT_SERVE",
        "RULEBOT_WEB_TOKEN_FILE",
        "RULEBOT_METRICS_TOKEN_FILE",
        "RULEBOT_HOOK_SECRET_FILE",
        "COMPOSE_PROFILES",
        "COMPOSE_FILE",
    } | (read_by_the_engine() - OURS)
    by_hand = {"RULEBOT_YES_I_MEAN"}
    assert sorted((asked | page | settings | more) - by_hand - written) == []
    assert sorted(written - asked - page - settings - more) == []


OURS = {"RULEBOT_CRASH", "RULEBOT_WEB_TOKEN", "RULEBOT_METRICS_TOKEN", "RULEBOT_HOOK_SECRET", "RULEBOT_DB_PASSWORD"}
"""Variables that are no settings: of tests, and secrets, which are given by files here."""


def read_by_the_engine() -> set[str]:
    """Return every variable that a file of the engine names."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "engine").rglob("*.py")]
    return {name for text in texts for name in re.findall(r"\bRULEBOT_[A-Z_]+[A-Z]\b", text)}


def _variables(option: Any) -> list[str]:
    """Return the variables of an option, from a command that has it."""

    def command() -> None:
        """Do nothing."""

    option(command)
    return [each.envvar for each in command.__click_params__]  # type: ignore[attr-defined]


def test_every_setting_of_the_engine_reaches_the_container() -> None:
    given = services(DEPLOY / "docker-compose.yml")["rulebot"]["environment"]
    assert sorted({f"{PREFIX}{field.name.upper()}" for field in fields(Settings)} - set(given)) == []


def test_files_that_are_mounted_are_there() -> None:
    for file in COMPOSE:
        for each in services(file).values():
            for volume in each.get("volumes", ()):
                source = volume.partition(":")[0]
                if source in ("./grafana/provisioning", "./grafana/dashboards"):
                    continue  # written by hand of another: test_dashboards.py
                if source.startswith("./"):
                    assert (DEPLOY / source).is_dir(), volume


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_what_rulebot_is_asked_in_a_container_is_a_command_that_it_has(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RULEBOT_WEB_PORT", str(free_port()))  # a page of this machine may have the usual one
    asked = services(file).get("rulebot", {}).get("command")
    if asked is None:
        return
    words = [re.sub(r"\$\{.*", "U1234567", word) for word in asked]
    result = CliRunner().invoke(main, [*words[:-1], str(tmp_path / "gone.yaml")])
    assert result.exit_code == 2
    assert "gone.yaml" in result.output, "it took every option before it"


def test_the_unit_starts_what_the_container_starts() -> None:
    unit = (DEPLOY / "rulebot.service").read_text(encoding="utf-8")
    started = re.search(r"^ExecStart=\S+ (.*)$", unit, re.MULTILINE)
    assert started is not None
    words = started[1].replace("$RULEBOT_SERVE", "--paper").split()
    assert sorted(words[:-1]) == sorted(services(DEPLOY / "docker-compose.yml")["rulebot"]["command"][:-1])
    assert "Environment=RULEBOT_SERVE=--paper\n" in unit
    assert unit.index("Environment=RULEBOT_SERVE") < unit.index("EnvironmentFile=")


def test_prometheus_in_a_container_differs_in_whom_it_asks_alone() -> None:
    other = DEPLOY / "prometheus" / "prometheus.yml"
    if not other.exists():
        pytest.skip("needs deploy/prometheus/prometheus.yml")
    found, contained = (document(file) for file in (other, DEPLOY / "prometheus" / "prometheus.container.yml"))
    for each in (found, contained):
        job = each["scrape_configs"][0]
        del job["static_configs"], job["authorization"]
    assert found == contained


def test_the_image_has_every_extra_but_those_it_says() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    without = re.search(r'^ARG WITHOUT="([^"]*)"$', text, re.MULTILINE)
    assert without is not None
    known = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    )
    code, said = said_by(sys.executable, DEPLOY / "extras.py", ROOT / "pyproject.toml", *without[1].split())
    assert code == 0
    assert set(said.split(",")) == known - set(without[1].split())
    assert {"web", "postgres"} <= set(said.split(","))


def test_what_the_image_is_made_of_is_let_in() -> None:
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--from)(.*)$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"\n!{source}\n" in let_in, source


# ---------------------------------------------------------------- what a person types first


def test_the_user_inside_reads_what_the_first_commands_make(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8").partition("\n## Containers\n")[2]
    typed = text.split("```\n")[1].partition("docker compose")[0]
    folder = tmp_path / "deploy"
    folder.mkdir()
    shutil.copy(DEPLOY / "example.env", folder)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "put_lite.yaml").touch()
    for name in ("prometheus", "grafana"):
        shutil.copytree(DEPLOY / name, folder / name)
    for path in tmp_path.rglob("*"):  # as a clone is where nobody else is to read it
        path.chmod(0o700 if path.is_dir() else 0o600)
    stub = tmp_path / "bin" / "openssl"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho secret\n", encoding="utf-8")
    stub.chmod(0o755)
    script = f"set -e; umask 077; PATH={stub.parent}:$PATH\n{typed}"
    done = subprocess.run([program("bash"), "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    roots = [folder / name for name in ("desk", "prometheus", "grafana")]
    mounted = [path for root in roots for path in (root, *root.rglob("*"))]
    assert folder / "desk" / "specs" / "put_lite.yaml" in mounted
    for found in (*mounted, *(folder / "secrets" / each for each in SECRETS)):
        assert found.stat().st_mode & stat.S_IROTH, found
        assert not found.is_dir() or found.stat().st_mode & stat.S_IXOTH, found
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700


# ---------------------------------------------------------------- starters


@pytest.fixture
def starters(tmp_path: Path) -> Path:
    """Return a folder with the scripts, and beside it a rulebot that only says how it was called."""
    program("bash")
    folder = tmp_path / "checkout" / "deploy"
    folder.mkdir(parents=True)
    for script in SCRIPTS:
        shutil.copy(script, folder)
    stub = tmp_path / "checkout" / ".venv" / "bin" / "rulebot"
    stub.parent.mkdir(parents=True)
    stub.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "desk" / "specs").mkdir(parents=True)
    (tmp_path / "desk" / "specs" / "a.yaml").touch()
    return folder


def started(script: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", str(script), *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def test_run_paper_waits_for_the_gateway_and_takes_what_it_is_given(starters: Path) -> None:
    script = starters / "run_paper.sh"
    assert started(script) == (0, f"serve --paper --wait-for-gateway {starters.parent}/specs")
    assert started(script, "my/specs", "--port", "9000") == (0, "serve --paper --wait-for-gateway my/specs --port 9000")


def test_run_live_refuses_what_cannot_be_live_and_confirms_nothing(starters: Path, tmp_path: Path) -> None:
    script, desk = starters / "run_live.sh", tmp_path / "desk"
    specs = str(desk / "specs")
    assert started(script)[1].startswith("run_live: name the specs")
    assert started(script, specs, "--paper")[1].startswith("run_live: --paper is no real money")
    assert "there is no account document" in started(script, specs)[1]
    (desk / "account.yaml").write_text("rulebot: 1\n", encoding="utf-8")
    assert "has no 'live:'" in started(script, specs)[1]
    (desk / "account.yaml").write_text("rulebot: 1\nlive:\n  account: U1\n", encoding="utf-8")
    code, said = started(script, specs)
    assert code == 2
    assert "nobody can type the account id" in said
    given = [specs, "--yes-i-mean", "U1"]
    assert started(script, *given) == (0, f"serve --live {' '.join(given)}")
    assert started(script, "--plain", f"{specs}/a.yaml", "--yes-i-mean=U1")[0] == 0
    assert "--yes-i-mean" not in re.findall(r"^exec .*$", script.read_text(encoding="utf-8"), re.MULTILINE)[0]


def test_a_checkout_without_a_program_is_shown_what_to_install(starters: Path) -> None:
    shutil.rmtree(starters.parent / ".venv")
    for name in ("run_paper.sh", "run_live.sh"):
        done = subprocess.run(
            [shutil.which("bash") or "bash", str(starters / name), "x"],
            capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert (done.returncode, "is not installed" in done.stderr) == (3, True)


def test_the_alert_of_memory_comes_before_the_limit_that_ends_the_engine() -> None:
    """It asked for more than container and service give: the engine was ended first, and what was open stood alone."""
    rules = document(DEPLOY / "prometheus" / "rules.yml")["groups"]
    (asks,) = [rule["expr"] for group in rules for rule in group["rules"] if rule.get("alert") == "RulebotMemoryHigh"]
    compose, service = (
        (DEPLOY / name).read_text(encoding="utf-8") for name in ("docker-compose.yml", "rulebot.service")
    )
    least = 2**20 * int(re.findall(r"RULEBOT_MEMORY:-(\d+)m", compose)[0])
    most = 2**30 * int(re.findall(r"MemoryMax=(\d+)G", service)[0])
    assert float(asks.rpartition("> ")[2]) < 0.8 * least < most


def test_the_service_may_write_the_logs_of_every_kind_of_run() -> None:
    """Those of real money lie beside the others, where nothing could be written: it had none."""
    service = (DEPLOY / "rulebot.service").read_text(encoding="utf-8")
    (folders,) = re.findall(r"^LogsDirectory=(.*)$", service, re.MULTILINE)
    assert "RULEBOT_LOGS=/var/log/rulebot\n" in service
    assert folders.split() == ["rulebot", "rulebot-live", "rulebot-observe"]
