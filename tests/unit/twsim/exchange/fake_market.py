"""A market that shows what a test tells it to: the smallest thing behind the `Market` seam."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from twsim.exchange.broker_state import ExchangeSettings
from twsim.exchange.exchange import SimExchange
from twsim.nouns import Instrument, SecType, Settle
from twsim.seams import Bar, Catalogue, ContractSearch, DayStats, OptionParams, Report, Ticket, TicketLeg, TickValues
from twsim.sessions import session_on

NAN = float("nan")
DAY = date(2024, 5, 6)
SPX, SPY, AAPL = 416904, 756733, 265598
OPEN = datetime(2024, 5, 6, 13, 30, tzinfo=UTC)
TEN = datetime(2024, 5, 6, 14, 0, tzinfo=UTC)
CLOSE = datetime(2024, 5, 6, 20, 0, tzinfo=UTC)


def underlying(con_id: int, symbol: str, kind: SecType) -> Instrument:
    return Instrument(con_id, symbol, kind, symbol, symbol, "SMART", "ARCA", symbol)


def option(
    con_id: int,
    symbol: str,
    strike: float,
    right: str,
    *,
    expiry: date = DAY,
    settle: Settle = Settle.PM,
    trading_class: str = "",
    settle_date: date | None = None,
) -> Instrument:
    ids = {"SPX": SPX, "SPY": SPY, "AAPL": AAPL}
    name = trading_class or ("SPXW" if symbol == "SPX" else symbol)
    return Instrument(
        con_id,
        symbol,
        SecType.OPTION,
        name,
        f"{name:<6}{expiry:%y%m%d}{right}{round(strike * 1000):08d}",
        "SMART",
        "",
        symbol,
        multiplier=100,
        last_trade_date=expiry,
        settle_date=settle_date or expiry,
        strike=strike,
        right=right,
        settle=settle,
        underlying_id=ids[symbol],
    )


P5000, P4990, C5100, C5110, SPY_P, SPY_C, SPY_P2, SPX_AM, AAPL_P = range(1, 10)
LATER = date(2024, 8, 2)
INSTRUMENTS = (
    underlying(SPX, "SPX", SecType.INDEX),
    underlying(SPY, "SPY", SecType.STOCK),
    underlying(AAPL, "AAPL", SecType.STOCK),
    option(P5000, "SPX", 5000, "P"),
    option(P4990, "SPX", 4990, "P"),
    option(C5100, "SPX", 5100, "C"),
    option(C5110, "SPX", 5110, "C"),
    option(SPY_P, "SPY", 500, "P", settle=Settle.SHARES, expiry=LATER),
    option(SPY_C, "SPY", 510, "C", settle=Settle.SHARES),
    option(SPY_P2, "SPY", 505, "P", settle=Settle.SHARES),
    option(SPX_AM, "SPX", 5000, "P", trading_class="SPX", settle=Settle.AM, settle_date=date(2024, 5, 7)),
    option(AAPL_P, "AAPL", 180, "P", settle=Settle.SHARES, expiry=LATER),
)
QUOTES: dict[int, tuple[float, float, float, float]] = {
    SPX: (NAN, NAN, 0, 0),
    SPY: (505.00, 505.01, 500, 500),
    AAPL: (182.00, 182.02, 100, 100),
    P5000: (2.00, 2.20, 20, 20),
    P4990: (1.40, 1.60, 20, 20),
    C5100: (1.90, 2.10, 20, 20),
    C5110: (1.30, 1.50, 20, 20),
    SPY_P: (4.00, 4.10, 50, 50),
    SPY_C: (0.50, 0.52, 100, 100),
    SPY_P2: (1.00, 1.02, 100, 100),
    SPX_AM: (3.00, 3.20, 10, 10),
    AAPL_P: (4.00, 4.10, 10, 10),
}


class FakeCatalogue:
    def __init__(self) -> None:
        self.known = {one.con_id: one for one in INSTRUMENTS}

    def by_id(self, con_id: int) -> Instrument | None:
        return self.known.get(con_id)

    def underlying(self, symbol: str) -> Instrument | None:
        return next((one for one in self.known.values() if one.symbol == symbol and not one.is_option), None)

    def search(self, asked: ContractSearch) -> list[Instrument]:
        return [one for one in self.known.values() if one.last_trade_date is not None and asked.fits(one)]

    def option_params(self, underlying_id: int) -> list[OptionParams]:
        return []

    def symbols(self) -> tuple[str, ...]:
        return ("SPX", "SPY", "AAPL")


class FakeMarket:
    """Quotes by contract id as (bid, ask, bid size, ask size); change `quotes` and `advance`."""

    def __init__(self, at: datetime = TEN) -> None:
        self._now = at
        self.quotes = dict(QUOTES)
        self.lasts: dict[int, float] = {}
        self.spots = {"SPX": 5050.0, "SPY": 505.0, "AAPL": 182.0}
        self.levels: dict[tuple[int, date], float] = {}
        self.halts: set[str] = set()
        self._catalogue = FakeCatalogue()

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def now(self) -> datetime:
        return self._now

    @property
    def is_open(self) -> bool:
        session = session_on(self._now.astimezone(UTC).date())
        return session is not None and session.open <= self._now < session.close

    @property
    def is_still(self) -> bool:
        return False

    def advance(self, at: datetime) -> None:
        self._now = at

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        rows = np.array([self.quotes[one] for one in con_ids], dtype=float).reshape(-1, 4)
        lasts = np.array([self.lasts.get(one, NAN) for one in con_ids])
        spots = np.array([self.spots[self._catalogue.known[one].symbol] for one in con_ids])
        empty = np.full(len(con_ids), NAN)
        return TickValues(
            rows[:, 0],
            rows[:, 1],
            rows[:, 2],
            rows[:, 3],
            lasts,
            empty,
            empty,
            empty,
            empty,
            empty,
            empty,
            spots,
        )

    def stats(self, con_id: int) -> DayStats:
        return DayStats(None, None, None, None, None, 0)

    def halted(self, symbol: str) -> bool:
        return symbol in self.halts

    def bars(self, con_id: int, *, what: str, bar_seconds: int, first: datetime, last: datetime) -> list[Bar]:
        return []

    def settlement(self, con_id: int, day: date) -> float | None:
        instrument = self.catalogue.by_id(con_id)
        asked = instrument.underlying_id if instrument is not None and instrument.is_option else con_id
        return self.levels.get((asked, day))

    def earnings(self, symbol: str) -> tuple[date, ...]:
        return ()

    def volume(self, con_id: int) -> int:
        return 0

    def open_interest(self, con_id: int) -> int:
        return 0


QUIET = ExchangeSettings(duplicate_status=0, status_before_execution=0, resting_rate=0)


class Desktop:
    """A market, a broker and a clock for tests: place tickets, let seconds pass, look at reports."""

    def __init__(
        self, *, at: datetime = TEN, seed: int = 7, settings: ExchangeSettings = QUIET, **options: Any
    ) -> None:
        self.market = FakeMarket(at)
        self.broker = SimExchange(self.market, seed=seed, settings=settings, **options)
        self.at = at
        self.next_id = 0

    def step(self, seconds: float = 1.0) -> list[Report]:
        return self.to(self.at + timedelta(seconds=seconds))

    def to(self, at: datetime) -> list[Report]:
        self.at = at
        self.market.advance(at)
        return self.broker.advance(at)

    def ticket(self, con_id: int = P5000, action: str = "BUY", quantity: float = 1, **fields: Any) -> Ticket:
        self.next_id += 1
        known = self.market.catalogue.by_id(con_id)
        limit = fields.pop("limit", None)
        stop = fields.pop("stop", None)
        base: dict[str, Any] = {
            "client_id": 1,
            "order_id": self.next_id,
            "con_id": con_id,
            "symbol": known.symbol if known else "SPX",
            "sec_type": known.sec_type.value if known else "OPT",
            "action": action,
            "quantity": Decimal(str(quantity)),
            "order_type": "LMT" if limit is not None else "MKT",
            "limit_price": None if limit is None else Decimal(str(limit)),
            "aux_price": None if stop is None else Decimal(str(stop)),
            "tif": "DAY",
            "oca_group": "",
            "oca_type": 0,
            "account": "",
            "order_ref": "",
            "transmit": True,
            "parent_id": 0,
            "outside_rth": False,
            "algo": "",
            "algo_params": (),
            "what_if": False,
        }
        return Ticket(**(base | fields))

    def combo(
        self, legs: Sequence[tuple[int, int, str]], action: str = "BUY", quantity: float = 1, **fields: Any
    ) -> Ticket:
        parts = tuple(TicketLeg(con_id, ratio, does) for con_id, ratio, does in legs)
        return self.ticket(0, action, quantity, sec_type="BAG", legs=parts, **fields)

    def place(self, *args: Any, **fields: Any) -> list[Report]:
        return self.broker.place(self.ticket(*args, **fields))


CONDOR = ((P4990, 1, "BUY"), (P5000, 1, "SELL"), (C5100, 1, "SELL"), (C5110, 1, "BUY"))
