"""The state of the simulated broker that its parts share, and what every report of it is made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from rulebot.model.session import exchange_date
from twsim.exchange.account import Account
from twsim.exchange.book import OrderBook, WorkingOrder
from twsim.exchange.chance import seeded_fraction
from twsim.exchange.day_trades import DayTrades
from twsim.exchange.ledger import Ledger
from twsim.exchange.settings import ExchangeSettings
from twsim.exchange.touch import Nbbo, nbbo_of
from twsim.instrument import Instrument
from twsim.seams import Commissioned, Execution, Market, OrderChanged, OrderError, Report


@dataclass(slots=True)
class BrokerState:
    """Everything the broker knows. `now` is the instant being handled.

    marks: what each contract that is held was last valued at, by its id; it counts on where nobody quotes.
    """

    market: Market
    seed: int
    account_id: str
    settings: ExchangeSettings
    account: Account
    book: OrderBook
    ledger: Ledger
    now: datetime
    executions: list[Execution] = field(default_factory=list)
    commissions: dict[str, Commissioned] = field(default_factory=dict)
    execution_count: int = 0
    filled_groups: set[str] = field(default_factory=set)
    day_trades: DayTrades = field(default_factory=DayTrades)
    marks: dict[int, Decimal] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The exchange's calendar date."""
        return exchange_date(self.now)

    def instrument(self, con_id: int) -> Instrument:
        """Return a contract that is known to exist."""
        found = self.market.catalogue.by_id(con_id)
        if found is None:
            raise LookupError(f"contract {con_id} is not in the catalogue")
        return found

    def quotes(self, con_ids: Iterable[int]) -> dict[int, Nbbo]:
        """Return the present touch of each contract."""
        return nbbo_of(self.market, sorted(set(con_ids)))

    def status(self, order: WorkingOrder, *, echo: bool = True) -> list[Report]:
        """Record and report an order as it stands; now and then its status comes twice, as with the real broker."""
        view = order.view()
        self.ledger.write(
            "order",
            self.now,
            perm_id=order.perm_id,
            client_id=view.ticket.client_id,
            order_id=view.ticket.order_id,
            order_ref=view.ticket.order_ref,
            status=view.status.value,
            action=view.ticket.action,
            quantity=view.ticket.quantity,
            filled=view.filled,
            type=view.ticket.order_type,
            limit=view.ticket.limit_price,
            stop=view.ticket.aux_price,
            legs=[leg.instrument.con_id for leg in order.legs],
        )
        reports: list[Report] = [OrderChanged(view, echo)]
        draw = seeded_fraction(self.seed, order.perm_id, view.status.value, view.filled, "duplicate")
        if draw < self.settings.duplicate_status:
            reports.append(OrderChanged(view, echo_open=False))
        return reports

    def error(self, key: tuple[int, int], code: int, text: str) -> OrderError:
        """Record and return an error message on an order."""
        self.ledger.write("message", self.now, client_id=key[0], order_id=key[1], code=code, text=text)
        return OrderError(key[0], key[1], code, text)

    def cash(self, con_id: int, amount: Decimal, reason: str) -> None:
        """Record a cash movement that the account has booked."""
        self.ledger.write("cash", self.now, day=self.today, con_id=con_id, amount=amount, reason=reason)

    def position(self, con_id: int) -> None:
        """Record where a position stands."""
        held = self.account.holdings[con_id]
        name = contract_name(self.instrument(con_id))
        self.ledger.write(
            "position",
            self.now,
            con_id=con_id,
            name=name,
            quantity=held.quantity,
            cost=held.cost,
            realized=held.realized,
        )


def contract_name(instrument: Instrument) -> str:
    """Return the name tables print: the OCC symbol, or the ticker."""
    return instrument.local_symbol or instrument.symbol


def con_ids(orders: Iterable[WorkingOrder]) -> Sequence[int]:
    """Return the contracts of all legs of the orders, each once, in id order."""
    return sorted({leg.instrument.con_id for order in orders for leg in order.legs})
