"""A gateway that has lost the broker answers questions from memory: what it knew when the link broke."""

from datetime import datetime
from decimal import Decimal

from rulebot.model.money import ZERO
from twsim.seams import Commissioned, Exchange, Execution, OrderView, PositionView, Report, Ticket


class StaleAnswers:
    """An account as it stood when this was made. Requests go to the broker, which decides for itself."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._open = exchange.open_orders()
        self._completed = exchange.completed_orders()
        self._executions = exchange.executions()
        self._positions = {each.con_id: each for each in exchange.positions()}
        self._profit = exchange.daily_profit()
        self._values = exchange.account_values()

    @property
    def account(self) -> str:
        """The account id."""
        return self._exchange.account

    def what_if(self, ticket: Ticket) -> list[Report]:
        """Answer a margin question."""
        return self._exchange.what_if(ticket)

    def place(self, ticket: Ticket) -> list[Report]:
        """Take a new order or a modification."""
        return self._exchange.place(ticket)

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        """Cancel an order."""
        return self._exchange.cancel(client_id, order_id)

    def cancel_all(self) -> list[Report]:
        """Cancel every order."""
        return self._exchange.cancel_all()

    def advance(self, at: datetime) -> list[Report]:
        """Let time pass at the broker."""
        return self._exchange.advance(at)

    def commission_of(self, exec_id: str) -> Commissioned | None:
        """Return the commission report of an execution, if it has one."""
        return self._exchange.commission_of(exec_id)

    def open_orders(self) -> list[OrderView]:
        """Return the orders that worked."""
        return self._open

    def completed_orders(self) -> list[OrderView]:
        """Return the orders that were finished."""
        return self._completed

    def executions(self) -> list[Execution]:
        """Return the executions that were known."""
        return self._executions

    def positions(self) -> list[PositionView]:
        """Return the positions that were held."""
        return list(self._positions.values())

    def position(self, con_id: int) -> PositionView:
        """Return a position, flat where nothing was held."""
        flat = PositionView(con_id, ZERO, ZERO, None, None, None, ZERO)
        return self._positions.get(con_id, flat)

    def daily_profit(self) -> Decimal:
        """Return what the account had made."""
        return self._profit

    def account_values(self) -> dict[str, str]:
        """Return the account values that were known."""
        return self._values
