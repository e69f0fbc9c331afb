"""Start a gateway inside the running event loop: for `rulebot run --sim`, for the command line, and for tests."""

import asyncio
from collections.abc import Iterator, Mapping
from decimal import Decimal

from twsim.exchange.exchange import OpeningPositions, PositionsError, SimExchange, StartPosition, load_positions
from twsim.exchange.ledger import Ledger, Row, open_ledger
from twsim.faults.market import HaltingMarket, ShownMarket
from twsim.faults.plan import FaultPlan, load_faults
from twsim.faults.policy import Faults
from twsim.gateway.hub import GatewaySettings, ServerState, Timeline
from twsim.gateway.server import Gateway
from twsim.gateway.tick_feed import TickFeed
from twsim.gateway.wire import Traffic, from_epoch
from twsim.market.load import load_market_file
from twsim.market.market import SimMarket
from twsim.nouns import Instrument, SecType, dataclass
from twsim.seams import Exchange, Market


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that listens. `ledger` is the simulated broker's own record (None with a foreign exchange)."""

    gateway: Gateway
    market: Market
    exchange: Exchange
    ledger: Ledger | None

    @property
    def port(self) -> int:
        """The port that is listened on, on 127.0.0.1."""
        return self.gateway.port

    @property
    def now(self) -> int:
        """Virtual time in epoch seconds."""
        return self.gateway.hub.now

    @property
    def finished(self) -> bool:
        """True once the last instant of the last session has passed."""
        return self.gateway.clock.finished

    @property
    def has_failed(self) -> bool:
        """True once an error of our own has ended the run: its time stops then."""
        return self.gateway.failure.done() and not self.gateway.failure.cancelled()

    @property
    def statistics(self) -> Traffic:
        """Messages, fences and seconds so far."""
        return self.gateway.hub.traffic

    @property
    def fired(self) -> Mapping[int, int]:
        """How often each fault of the plan has done something, by its place; what never did is not named."""
        faults = self.gateway.hub.faults
        return {} if faults is None else faults.fired

    @property
    def fired_open(self) -> Mapping[int, int]:
        """The same for what came while the account held options."""
        faults = self.gateway.hub.faults
        return {} if faults is None else faults.fired_open

    def calm(self) -> None:
        """Let nothing new go wrong from now on."""
        if (faults := self.gateway.hub.faults) is not None:
            faults.calm()

    @property
    def unreported(self) -> tuple[Row, ...]:
        """The ledger's rows of commissions that a fault has kept from the clients so far."""
        faults = self.gateway.hub.faults
        if faults is None or self.ledger is None:
            return ()
        rows = (row for row in self.ledger.rows if row["kind"] == "commission")
        return tuple(row for row in rows if not faults.shows_commission(str(row["exec_id"])))

    def notify(self, code: int, words: str) -> None:
        """Send a system message to every client, such as 1100, 1101 or 1102 (connection lost, restored)."""
        self.gateway.hub.announce(code, words)
        self.gateway.clock.flush()

    def cut(self, client_id: int) -> None:
        """Drop a client's connection, as a link that breaks does; its orders live on."""
        if (session := self.gateway.hub.sessions.get(client_id)) is not None:
            session.transport.abort()

    async def failure(self) -> None:
        """Wait until the gateway is stopped. Raises: the error that ended the run, if one did."""
        await asyncio.wait((self.gateway.failure,))
        if not self.gateway.failure.cancelled() and (problem := self.gateway.failure.exception()) is not None:
            raise problem

    async def stop(self) -> None:
        """Close every connection, the port and the ledger."""
        await self.gateway.stop()
        if self.ledger is not None:
            self.ledger.close()


def market_of(settings: GatewaySettings) -> SimMarket:
    """Return the market that a gateway of these settings plays. Raises: ValueError for a file that cannot be used."""
    scenario = None if settings.market_file is None else load_market_file(settings.market_file)
    return SimMarket(seed=settings.seed, date=settings.first_day, scenario=scenario)


def check_start(settings: GatewaySettings, market: Market) -> None:
    """Read what the account is to begin with. Raises: ValueError for what cannot be used, or is not listed."""
    _book(settings, market)
    for symbol, _ in settings.shares:
        _listed(symbol, market)


def _book(settings: GatewaySettings, market: Market) -> OpeningPositions:
    file = settings.positions_file
    return OpeningPositions() if file is None else load_positions(file, market.catalogue)


def _exchange(settings: GatewaySettings, market: Market) -> SimExchange:
    book = _book(settings, market)
    return SimExchange(
        market,
        seed=settings.seed,
        cash=Decimal(settings.cash),
        account=settings.account or None,
        positions=(*book.positions, *_shares(settings, market)),
        orders=book.orders,
        ledger=open_ledger(settings.store_file),
    )


OTHER_SEEDS = 7919
"""How far the seeds of the accounts of one login lie from each other: their ids of orders and fills differ."""


def _others(settings: GatewaySettings, market: Market, first: Exchange) -> dict[str, Exchange]:
    """Return the further accounts of the login. Raises: ValueError when one has the first one's name."""
    if first.account in settings.more_accounts:
        raise ValueError(f"an account is named twice: {first.account}")
    return {
        name: SimExchange(market, seed=settings.seed + place * OTHER_SEEDS, cash=Decimal(settings.cash), account=name)
        for place, name in enumerate(settings.more_accounts, 1)
    }


def _shares(settings: GatewaySettings, market: Market) -> Iterator[StartPosition]:
    """Yield the shares of the start, which have cost the previous close. Raises: PositionsError."""
    for symbol, count in settings.shares:
        found = _listed(symbol, market)
        yield StartPosition(
            found.con_id, Decimal(count), Decimal(f"{market.stats(found.con_id).previous_close or 0.0:.2f}")
        )


def _listed(symbol: str, market: Market) -> Instrument:
    found = market.catalogue.underlying(symbol)
    if found is None or found.sec_type is not SecType.STOCK:
        raise PositionsError(f"no shares of '{symbol}' are listed")
    return found


def build_hub(
    settings: GatewaySettings, market: Market | None, exchange: Exchange | None, faults: FaultPlan | None = None
) -> ServerState:
    """Put a world together and move it to the first instant. Must run inside an event loop."""
    if faults is None and settings.faults_file is not None:
        faults = load_faults(settings.faults_file)
    timeline = Timeline(settings.first_day, settings.days, settings.fence_seconds, settings.data_seconds)
    market = market or market_of(settings)
    shown = None
    if faults is not None and faults.faults:
        halting = HaltingMarket(market)
        market, shown = halting, ShownMarket(halting)
    market.advance(from_epoch(timeline.first))
    exchange = exchange or _exchange(settings, market)
    exchange.advance(from_epoch(timeline.first))
    others = _others(settings, market, exchange)
    for other in others.values():
        other.advance(from_epoch(timeline.first))
    hub = ServerState(
        settings=settings,
        market=shown or market,
        exchange=exchange,
        timeline=timeline,
        feed=TickFeed(shown or market),
        now=timeline.first,
        others=others,
    )
    for view in (*exchange.open_orders(), *exchange.completed_orders()):
        ticket = view.ticket
        hub.used_ids.add((ticket.client_id, ticket.order_id))
        hub.highest_id[ticket.client_id] = max(hub.highest_id.get(ticket.client_id, 0), ticket.order_id)
    if faults is not None and faults.faults:
        hub.faults = Faults(faults, hub)
    return hub


async def start_gateway(
    settings: GatewaySettings,
    *,
    market: Market | None = None,
    exchange: Exchange | None = None,
    faults: FaultPlan | None = None,
) -> RunningGateway:
    """Listen on 127.0.0.1 in this event loop, with the simulated market and broker unless others are given.

    `faults` is a plan of what goes wrong, instead of the one in the settings' file.
    Raises: OSError when the port is in use; ValueError for scenario, position and fault files that cannot be used.
    """
    hub = build_hub(settings, market, exchange, faults)
    gateway = Gateway(hub)
    await gateway.start()
    ledger = hub.exchange.ledger if isinstance(hub.exchange, SimExchange) else None
    return RunningGateway(gateway, hub.market, hub.exchange, ledger)
