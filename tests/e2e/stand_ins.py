"""Stand-ins of the services that alerts go to: one that takes JSON over HTTP, one that takes e-mail."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


class HttpService:
    """Keeps the messages that it was sent, and answers with `status`."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.status = 200
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if service.status == 200:
                    service.taken.append(f"{body['title']}\n{body['message']}")
                self.send_response(service.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"json://127.0.0.1:{self._server.server_address[1]}/a-secret-path"

    def stop(self) -> None:
        """Take nothing more."""
        self._server.shutdown()
        self._server.server_close()


class MailService:
    """Keeps the mails that it was sent."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        with socket.create_server(("127.0.0.1", 0)) as free:  # aiosmtpd takes no port 0
            port = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=port)
        self._controller.start()
        self.url = f"mailto://127.0.0.1:{port}?from=desk@example.org&to=me@example.org&mode=insecure"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a mail."""
        found = message_from_bytes(envelope.content, policy=policy.default)
        body = found.get_body(("plain",))
        self.taken.append(f"{found['Subject']}\n{'' if body is None else body.get_content()}")
        return "250 taken"

    def stop(self) -> None:
        """Take nothing more."""
        self._controller.stop()


@contextmanager
def services() -> Iterator[tuple[HttpService, MailService]]:
    """Run both."""
    http, mail = HttpService(), MailService()
    try:
        yield http, mail
    finally:
        http.stop()
        mail.stop()
