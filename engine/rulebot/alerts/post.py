"""Posts JSON to the web hook of another program."""

import http.client
import urllib.error
import urllib.request
from typing import IO

TIMEOUT = 10.0


class NotSentError(Exception):
    """A message was not taken; says why as far as the service told."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An address that leads elsewhere is not followed: what is sent is meant for nobody else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def post(address: str, body: str) -> None:
    """Send it. The address is a secret, and is not repeated. Raises: NotSentError."""
    headers = {"Content-Type": "application/json", "User-Agent": "rulebot"}
    try:
        request = urllib.request.Request(address, body.encode(), headers, method="POST")
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT):
            return
    except urllib.error.HTTPError as error:
        words = f"it answered {error.code}"
        error.close()
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        words = "it cannot be reached: " + (getattr(reason, "strerror", None) or type(reason).__name__)
    raise NotSentError(words)
