"""What the connection to TWS or IB Gateway can be told."""

from rulebot.model.values import dataclass

MAX_CLIENT_ID = 2**31 - 1
MESSAGE_LIMIT = 45
"""Messages in a second, orders apart; TWS warns from 50 on and then closes the socket."""


REQUESTS, MOST_REQUESTS = 40, 50
"""Questions that are open at once; TWS refuses more than 50 historical ones. Source: Historical Data Limitations."""
LINES, MOST_LINES = 90, 2000
"""Contracts streamed at once: the broker allows a user 100 for all programs together, and more for money."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one program takes of what the broker allows.

    lines: contracts streamed at once. messages: in a second. requests: questions without an answer yet.
    answer_seconds: how long one is waited for; bars of the past may take twice as long.
    """

    lines: int = LINES
    messages: int = MESSAGE_LIMIT
    requests: int = REQUESTS
    answer_seconds: float = 30.0


WHOLE = Share()


@dataclass(frozen=True, slots=True, kw_only=True)
class IbSettings:
    """Where TWS or IB Gateway is, who we are there, and what we may use.

    port: TWS 7496 live, 7497 paper; IB Gateway 4001, 4002. client_id: 0 binds orders typed into TWS by hand.
    account: "" takes the only one there is; where there are several, the one of `among`, which else counts for nothing.
    paper: refuse accounts with real money; False refuses those without, None takes either. sends_orders: False lets no
    order leave, nor a change or a cancel of one. lockstep: ask a simulated gateway to let its clock wait for us.
    max_lines: contracts streamed at once. max_requests: questions without an answer yet; further ones wait.
    heartbeat_seconds: after so much silence the broker is asked for the time; after three times as much the connection
    is given up (faults.md row 20). rounds_apart: between two readings of every list, which must agree.
    Units: seconds of real time, also in lockstep; they guard against a broker that never answers.
    """

    host: str = "127.0.0.1"
    port: int = 7497
    client_id: int = 1
    account: str = ""
    among: str = ""
    paper: bool | None = True
    sends_orders: bool = True
    lockstep: bool = False
    max_lines: int = LINES
    messages_per_second: int = MESSAGE_LIMIT
    max_requests: int = REQUESTS
    connect_seconds: float = 15.0
    request_seconds: float = 30.0
    history_seconds: float = 60.0
    heartbeat_seconds: float = 5.0
    rounds_apart: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"a port is 1 to 65535, is {self.port}")
        if not 0 <= self.client_id <= MAX_CLIENT_ID:
            raise ValueError(f"a client id is 0 or more, is {self.client_id}")
        if self.max_lines < 1:
            raise ValueError(f"market data lines are at least 1, is {self.max_lines}")
        if not 0 < self.messages_per_second <= MESSAGE_LIMIT:
            raise ValueError(f"messages in a second are 1 to {MESSAGE_LIMIT}, is {self.messages_per_second}")
        if not 0 < self.max_requests <= MOST_REQUESTS:
            raise ValueError(f"requests in flight are 1 to {MOST_REQUESTS}, is {self.max_requests}")
        if min(self.connect_seconds, self.request_seconds, self.history_seconds, self.heartbeat_seconds) <= 0:
            raise ValueError("time limits are above 0 seconds")

    @property
    def where(self) -> str:
        """`HOST:PORT` for messages."""
        return f"{self.host}:{self.port}"
