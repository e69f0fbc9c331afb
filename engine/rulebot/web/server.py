"""A web server in a thread of its own, so that an engine's loop in the same process never waits for it."""

import errno
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from rulebot.model.errors import MisuseError, RulebotError, in_words
from rulebot.model.values import dataclass
from rulebot.web.by_proxy import ProxyGate, trusted_networks
from rulebot.web.listener import Listener

START_SECONDS = 20.0
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
"""Files that Docker and Podman put into a container; Podman into none whose root cannot be written to."""
CONTAINER_VARIABLE = "container"
"""What Podman sets in every container, and our own image. Source: systemd.io/CONTAINER_INTERFACE."""


class ServerError(RulebotError):
    """The page could not be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Where to listen. port 0 takes a free one. proxy: addresses and networks of proxies whose word on
    clients is taken.

    in_container: the address is a container's own, and its port is published on the loopback of the machine alone.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: str = ""
    key: str = ""
    proxy: str = ""
    in_container: bool = False

    @property
    def is_loopback(self) -> bool:
        """Say whether this machine alone can reach it."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    @property
    def is_secure(self) -> bool:
        """Say whether what a browser sends is encrypted: by us, or by the proxy in front."""
        return bool(self.certificate or self.proxy)

    @property
    def is_by_proxy_alone(self) -> bool:
        """Say whether the proxy in front is all that encrypts, and whoever goes past it would be in the clear."""
        return bool(self.proxy) and not self.certificate and not self.in_container

    def check(self) -> None:
        """Refuse to be reached from other machines in the clear (faults.md row 102). Raises: MisuseError."""
        if bool(self.certificate) is not bool(self.key):
            raise MisuseError("a certificate and its key belong together", "give --tls-cert and --tls-key")
        if self.proxy:
            trusted_networks(self.proxy)
        if self.in_container and not is_container():
            raise MisuseError("--in-container is for a container, and this is none", "leave it out")
        if not self.is_loopback and not self.is_secure and not self.in_container:
            raise MisuseError(
                f"{self.host} can be reached from other machines, and nothing would be encrypted",
                "use an ssh tunnel to 127.0.0.1, or give --tls-cert and --tls-key, or --trusted-proxy ADDRESS",
            )

    def claim(self) -> Listener:
        """Return a socket that listens on the port; who comes early waits. Raises: MisuseError; ServerError.

        One that had the port and did not listen would keep no other start from it.
        """
        self.check()
        if self.certificate:
            _check_pair(self.certificate, self.key)
        claimed = Listener(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            claimed.bind((self.host, self.port))
            claimed.listen()
        except (OSError, UnicodeError) as error:  # a name that can be none, too
            claimed.close()
            is_port = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
            raise ServerError(
                f"{self.host}:{self.port} cannot be listened on: {in_words(error)}",
                "take another --port" if is_port else "--host is an address of this machine",
            ) from error
        return claimed


def _check_pair(certificate: str, key: str) -> None:
    """Raise MisuseError for files that are no certificate and its key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # what is in them too
        why = error.strerror if not isinstance(error, ssl.SSLError) else "they are no such pair, in PEM"
        raise MisuseError(
            f"'{certificate}' and '{key}' cannot be used as a certificate and its key: {why}",
            "--tls-cert names the whole chain, --tls-key the key without a password",
        ) from error


def is_container() -> bool:
    """Say whether this process runs in a container."""
    return bool(os.environ.get(CONTAINER_VARIABLE)) or any(Path(mark).exists() for mark in CONTAINER_MARKS)


class Server:
    """Serves one application until it is stopped. Signals are left to whoever runs this process.

    claimed: the socket of `bind`, where it was claimed before.
    """

    def __init__(
        self, make: Callable[[Callable[[], bool]], FastAPI], bind: Bind, claimed: Listener | None = None
    ) -> None:
        bind.check()
        self._bind = bind
        logging.getLogger("uvicorn.access").disabled = True
        app = make(self._is_stopping)
        config = uvicorn.Config(
            ProxyGate(app, bind.proxy) if bind.is_by_proxy_alone else app,
            loop="asyncio",  # another one would take connections past the listener
            log_config=None,
            log_level="error",  # what a sender does wrong is told to it: in the log anybody could drown the rest by it
            ws="none",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=bind.certificate or None,
            ssl_keyfile=bind.key or None,
            proxy_headers=bool(bind.proxy) and not bind.is_by_proxy_alone,
            forwarded_allow_ips=list(trusted_networks(bind.proxy)) if bind.proxy else None,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="rulebot-web", daemon=True)
        self._socket = claimed

    def _is_stopping(self) -> bool:
        return self._server.should_exit

    @property
    def address(self) -> str:
        """The address of the page; only once it is started."""
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self._bind.certificate else 'http'}://{shown}:{port}/"

    def start(self) -> str:
        """Listen, and return the address. Raises: ServerError when the port is taken or the server does not start."""
        self._socket = self._socket or self._bind.claim()
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise ServerError("the page did not start", "look at the log")
            time.sleep(0.01)
        return self.address

    def stop(self) -> None:
        """End it; pages that watch are let go."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
        if self._socket is not None:
            self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket] if self._socket is not None else None)
