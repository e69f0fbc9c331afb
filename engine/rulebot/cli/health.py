"""`rulebot health`: what the health checks of containers and machines run, and a person who wants one line."""

import json
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

import click

from rulebot.cli.numbers import WholeNumber
from rulebot.cli.width import echo
from rulebot.model.errors import RulebotError

SECONDS = 8.0
OURS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where this machine reaches a page that listens on all its addresses."""


class UnreachableError(RulebotError):
    """Nothing answers where the page should be."""


@click.command("health", short_help="Ask the page of this machine whether its engine is well.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="RULEBOT_WEB_HOST",
    show_envvar=True,
    help="The address that the page listens on.",
)
@click.option(
    "--port",
    type=WholeNumber(1, 65535),
    default=8080,
    show_default=True,
    envvar="RULEBOT_WEB_PORT",
    show_envvar=True,
    help="The page's port.",
)
@click.option(
    "--tls-cert",
    "certificate",
    envvar="RULEBOT_WEB_TLS_CERT",
    show_envvar=True,
    help="The page is encrypted, with this.",
)
def health(host: str, port: int, certificate: str | None) -> None:
    """Ask the page that 'rulebot serve' or 'rulebot web' serves on this machine how it is; no token is needed.

    An engine that waits for its gateway is well, one that hangs or has ended is not.

    Exit code: 0 when it is well, 1 when it is not, 3 when nothing answers.
    """
    status, said = ask(OURS.get(host, host), port, is_secure=bool(certificate))
    linked = {True: ", connected", False: ", not connected", None: ""}[said.get("is_connected")]
    why = f": {said['why']}" if said.get("why") else ""
    echo(f"{said.get('status', 'failing')}   engine {said.get('engine', 'unknown')}{linked}{why}")
    if status != 200:
        raise click.exceptions.Exit(1)


def ask(host: str, port: int, *, is_secure: bool = False) -> tuple[int, dict[str, Any]]:
    """Return status and body of this machine's /health. Raises: UnreachableError.

    A certificate is not judged: it names the machine as others call it, and nothing secret is sent.
    """
    connection: HTTPConnection | None = None
    try:
        if is_secure:
            connection = HTTPSConnection(host, port, timeout=SECONDS, context=ssl._create_unverified_context())
        else:
            connection = HTTPConnection(host, port, timeout=SECONDS)
        connection.request("GET", "/health", headers={"Host": "localhost"})  # a name that every page is served under
        answer = connection.getresponse()
        found = json.loads(answer.read(65536))
    except (OSError, HTTPException, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error or type(error).__name__
        shown = f"[{host}]" if ":" in host else host
        raise UnreachableError(
            f"no page answers at {shown}:{port}: {why}", "is 'rulebot serve' running there?"
        ) from error
    finally:
        if connection is not None:
            connection.close()
    return answer.status, found if isinstance(found, dict) else {}
