"""A page over the hand-made day, over which requests are sent; requests to it byte by byte."""

import http.client
import json
from dataclasses import dataclass
from typing import Any

from rulebot.store.place import Place

TOKEN = "a-token-of-a-test-0123"
OF_METRICS = "a-token-of-the-metrics-alone"


class Elapsed:
    """A clock of a test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Sends requests as they are told; nothing is added but the length of a body."""

    port: int
    elapsed: Elapsed
    place: Place

    def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        sender: str = "127.0.0.1",
    ) -> Answer:
        """Send one request with these headers alone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20, source_address=(sender, 0))
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": f"127.0.0.1:{self.port}", **(headers or {})}.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        connection.close()
        return found

    def get(self, path: str, **headers: str) -> Answer:
        """Ask as a program with the token does."""
        return self.send("GET", path, {"Authorization": f"Bearer {TOKEN}", **headers})

    def post(self, path: str, body: object = None, key: str = "", **headers: str) -> Answer:
        """Act as a program with the token does."""
        reported = {"Authorization": f"Bearer {TOKEN}", "X-Rulebot": "1", "Content-Type": "application/json"}
        reported |= {"Idempotency-Key": key} if key else {}
        return self.send("POST", path, {**reported, **headers}, json.dumps({} if body is None else body).encode())
