"""Settings of the connection to TWS or IB Gateway."""

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
    """Where TWS or IB Gateway is, our identity there, and what we may use.

    port: TWS 7496 live, 7497 paper; IB Gateway 4001, 4002. client_id: 0 binds orders typed into TWS by hand. account:
    "" takes the only one; with several, the one in `among`, which otherwise has no effect. paper: True refuses accounts
    with real money, False paper accounts, None neither. sends_orders: False blocks orders, changes and cancels.
    lockstep: ask a simulated gateway to let its clock wait for us. max_lines: contracts streamed at once. max_requests:
    open requests; further ones are queued. heartbeat_seconds: after this silence the broker is asked for its time;
    after three times as much the connection is closed (docs/faults.md row 20). round_interval: between two readings of
    every list, which must agree. Units: seconds of real time, also in lockstep; they guard against a broker that never
    answers.
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
    round_interval: float = 2.0

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
