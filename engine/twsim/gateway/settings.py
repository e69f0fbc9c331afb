"""What a simulated gateway can be told."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

from rulebot.model.values import dataclass

TWS_PORTS = frozenset({7496, 7497, 4001, 4002})
DEFAULT_PORT = 14002
MOST_CASH = 10**12
_ACCOUNT = re.compile(r"[A-Z]{1,3}[0-9]{4,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Settings of one run.

    Units: `speed` is simulated seconds in a real second, None is as fast as the clients go; `watchdog_seconds` are
    real, `data_seconds` and `fence_seconds` simulated. Port 0 takes any free one. `holders` is how many clock
    holders must have asked before time first moves (0: no wait). `account` "" is a paper account named by the seed;
    `more_accounts` are others behind the same login, each with the same cash and nothing else.
    `shares` are symbols with how many of them the account holds at the start, beside what the positions file says.
    """

    first_day: date
    days: int = 1
    port: int = 0
    seed: int = 1
    speed: float | None = None
    data_seconds: int = 5
    fence_seconds: int = 1
    lockstep: bool = True
    holders: int = 0
    cash: Decimal = Decimal(1_000_000)
    account: str = ""
    more_accounts: tuple[str, ...] = ()
    market_file: Path | str | None = None
    positions_file: Path | None = None
    shares: tuple[tuple[str, int], ...] = ()
    store_file: Path | None = None
    faults_file: Path | None = None
    master_client_id: int = 0
    read_only: bool = False
    max_lines: int = 100
    max_clients: int = 32
    bag_details_code: int = 321
    queue_bytes: int = 64 * 1024 * 1024
    watchdog_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.fence_seconds < 1 or self.data_seconds < 1 or self.days < 1:
            raise ValueError("data seconds, fence seconds and days are at least 1")
        if self.data_seconds % self.fence_seconds:
            raise ValueError(f"data every {self.data_seconds} s does not fall on fences every {self.fence_seconds} s")
        if not (self.cash.is_finite() and 0 <= self.cash <= MOST_CASH):
            raise ValueError(f"cash is from 0 to {MOST_CASH:,} dollars, is {self.cash}")
        if self.speed is not None and self.speed <= 0:
            raise ValueError(f"a speed is above 0, is {self.speed}")
        named = [each for each in (self.account, *self.more_accounts) if each]
        for each in named:
            if not _ACCOUNT.fullmatch(each):
                raise ValueError(
                    f"an account is one to three capitals and four to ten digits, as in DU1234567, is '{each}'"
                )
        if len(set(named)) < len(named):
            raise ValueError(f"an account is named twice: {', '.join(named)}")
        if self.bag_details_code not in (200, 321):
            raise ValueError(f"contract details of a combo are refused with 200 or 321, is {self.bag_details_code}")
