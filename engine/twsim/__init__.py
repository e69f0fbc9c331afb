"""A simulated market, exchange and TWS gateway. It shares no code with the engine; `python -m twsim` runs it alone.

The names below are for those who start it or read what it did. A module is imported when its first name is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twsim.command import GATEWAY_OPTIONS as GATEWAY_OPTIONS
    from twsim.command import GatewayOption as GatewayOption
    from twsim.command import check_alone as check_alone
    from twsim.command import gateway_settings as gateway_settings
    from twsim.command import serve as serve
    from twsim.command import show_ledger as show_ledger
    from twsim.command import speed_of as speed_of
    from twsim.exchange.external_trades import EARLY as EARLY
    from twsim.exchange.ledger import DELIVERY as DELIVERY
    from twsim.exchange.ledger import LedgerTotals as LedgerTotals
    from twsim.exchange.ledger import Row as Row
    from twsim.exchange.ledger import money_of as money_of
    from twsim.faults.connection import PLACES as PLACES
    from twsim.faults.kinds import KINDS as KINDS
    from twsim.faults.kinds import STANDING as STANDING
    from twsim.faults.kinds import fault_labels as fault_labels
    from twsim.faults.plan import FaultPlan as FaultPlan
    from twsim.faults.plan import read_faults as read_faults
    from twsim.gateway.hub import AFTER_CLOSE as AFTER_CLOSE
    from twsim.gateway.hub import BEFORE_OPEN as BEFORE_OPEN
    from twsim.gateway.hub import GatewaySettings as GatewaySettings
    from twsim.launch import RunningGateway as RunningGateway
    from twsim.launch import check_start as check_start
    from twsim.launch import market_of as market_of
    from twsim.launch import start_gateway as start_gateway
    from twsim.market.replayed import FIRST_FREE_ID as FIRST_FREE_ID
    from twsim.market.replayed import Opening as Opening
    from twsim.market.replayed import ReplayedColumn as ReplayedColumn
    from twsim.market.replayed import ReplayedDay as ReplayedDay
    from twsim.market.replayed import given_option as given_option
    from twsim.market.replayed import given_underlying as given_underlying
    from twsim.market.replayed_market import ReplayedMarket as ReplayedMarket
    from twsim.market.universe import ASSETS as ASSETS
    from twsim.market.universe import OPTION_CLASSES as OPTION_CLASSES
    from twsim.nouns import Instrument as Instrument
    from twsim.nouns import TickRule as TickRule
    from twsim.seams import Bar as Bar
    from twsim.seams import Floats as Floats
    from twsim.seams import Market as Market
    from twsim.seams import OptionParams as OptionParams
    from twsim.seams import OrderView as OrderView
    from twsim.seams import Status as Status

_NAMES = {
    "twsim.command": "GATEWAY_OPTIONS GatewayOption check_alone gateway_settings serve show_ledger speed_of",
    "twsim.exchange.external_trades": "EARLY",
    "twsim.exchange.ledger": "DELIVERY LedgerTotals Row money_of",
    "twsim.faults.connection": "PLACES",
    "twsim.faults.kinds": "KINDS STANDING fault_labels",
    "twsim.faults.plan": "FaultPlan read_faults",
    "twsim.gateway.hub": "AFTER_CLOSE BEFORE_OPEN GatewaySettings",
    "twsim.launch": "RunningGateway check_start market_of start_gateway",
    "twsim.market.replayed": "FIRST_FREE_ID Opening ReplayedColumn ReplayedDay given_option given_underlying",
    "twsim.market.replayed_market": "ReplayedMarket",
    "twsim.market.universe": "ASSETS OPTION_CLASSES",
    "twsim.nouns": "Instrument TickRule",
    "twsim.seams": "Bar Floats Market OptionParams OrderView Status",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"twsim has no {name}")
    found = globals()[name] = getattr(import_module(home), name)
    return found
