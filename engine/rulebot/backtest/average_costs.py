"""What one of each contract of a pretended account has cost, read again from the store that is all its memory."""

from collections.abc import Iterable
from decimal import Decimal

from rulebot.backtest.simulated_broker import average_cost
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.cover import shares_delivered
from rulebot.model.delivery import DELIVERING
from rulebot.model.money import ZERO
from rulebot.record.record import Kind
from rulebot.store.journal import SqlJournal
from rulebot.store.patient import PatientJournal


def costs_on_record(journal: SqlJournal | PatientJournal, options: Iterable[Option]) -> dict[Contract, Decimal]:
    """Return what one of these options, and of the shares that came by them or as legs, has cost on average.

    Units: dollars, as `average_cost` has them, of all positions together, as an account has them.
    """
    known = {str(option): option for option in options}
    if not known:
        return {}
    charged = _charged(journal)
    costs, held, legs = dict[Contract, Decimal](), dict[Contract, int](), dict[tuple[str, str], Option]()

    def move(contract: Contract, count: int, paid: Decimal) -> None:
        before = held.get(contract, 0)
        costs[contract] = average_cost(before, costs.get(contract, ZERO), count, paid)
        held[contract] = before + count

    for record in journal.read((Kind.FILL, Kind.SETTLEMENT)):
        data = record.data
        leg = record.position, str(data["leg"])
        if record.kind is Kind.FILL and (option := known.get(str(data["contract"]))) is not None:
            legs[leg] = option
            count = int(str(data["quantity"])) * (1 if data["is_buy"] else -1)
            paid = Decimal(str(data["price"])) * count * option.multiplier
            commission = charged.get(str(data["exec_id"]), ZERO)
            move(Underlying(option.symbol) if option.is_share else option, count, paid + commission)
        elif record.kind is Kind.SETTLEMENT and (option := legs.get(leg)) is not None and not option.is_share:
            count, premium = held.pop(option, 0), costs.pop(option, ZERO)  # all of it goes at once, of every position
            if count and data["how"] in DELIVERING and not Decimal(str(data["price"])):
                shares = shares_delivered(option, count)
                move(Underlying(option.symbol), shares, option.strike * shares + premium * count)
    return {contract: cost for contract, cost in costs.items() if held[contract]}


def _charged(journal: SqlJournal | PatientJournal) -> dict[str, Decimal]:
    """Return what each execution has cost beside its price, in dollars."""
    told = journal.read((Kind.COMMISSION,))
    return {str(record.data["exec_id"]): Decimal(str(record.data["amount"])) for record in told}
