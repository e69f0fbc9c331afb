"""Connection errors: one plain sentence for each way a connection fails, with what to do about it."""

import re
from collections.abc import Sequence

from rulebot.adapters.ib.quotes import ENDS
from rulebot.adapters.ib.settings import IbSettings
from rulebot.model.errors import BrokerError, IdInUseError, UnansweredError

ID_IN_USE = 326
INFORMATION = range(2100, 2200)
"""Codes for the state of the gateway's own connections."""
PAPER_PREFIXES = ("DU", "DF")

_API = (
    "in TWS or IB Gateway: Configure, API, Settings: switch on 'Enable ActiveX and Socket Clients' and check the port "
    "(TWS 7497 paper, 7496 live; IB Gateway 4002 paper, 4001 live)"
)
_DIALOG = (
    "look whether TWS is logged in, and for a dialog in it that asks to accept the connection: with this computer's "
    "address under 'Trusted IPs' (Configure, API, Settings) it no longer asks"
)


def nothing_listens(where: str, *, lockstep: bool = False) -> BrokerError:
    """Connection refused: nothing listens there."""
    if lockstep:
        return BrokerError(f"nothing listens on {where}", "start 'rulebot gateway' first")
    return BrokerError(f"nothing listens on {where}", f"start TWS or IB Gateway and log in; {_API}")


def cannot_reach(settings: IbSettings, problem: OSError) -> BrokerError:
    """The host cannot be reached."""
    words = problem.strerror or str(problem)
    return BrokerError(f"{settings.where} cannot be reached: {words}", "check host and port")


def no_greeting(settings: IbSettings, notices: Sequence[tuple[int, str]], *, spoke: bool) -> UnansweredError:
    """It accepts connections and then says nothing, or not enough."""
    if spoke:
        said = [f"; it says: {text}" for code, text in notices if code not in INFORMATION]
        return UnansweredError(
            f"{settings.where} answered but did not name account and order id within {settings.connect_seconds:g} s"
            f"{''.join(said[-1:])}",
            f"{_DIALOG}; a paper user is asked at the login to accept that it is no brokerage account",
            was_connected=False,
        )
    return UnansweredError(
        f"{settings.where} accepts connections but does not answer as TWS or IB Gateway does",
        f"{_DIALOG}; or another program has this port",
        was_connected=False,
    )


def other_protocol(settings: IbSettings, received: bytes) -> BrokerError:
    """Something else answers there."""
    return BrokerError(
        f"{settings.where} does not speak the TWS API; it answered {received[:24]!r}",
        "another program uses this port; check host and port",
    )


def too_old(settings: IbSettings, version: int) -> BrokerError:
    """The server's protocol is older than ib_async knows."""
    return BrokerError(f"{settings.where} speaks API version {version}, 157 is needed", "update TWS or IB Gateway")


def why_lost(reason: str) -> str:
    """Return why a connection ended, in words: without the number under which the system knows it."""
    return re.sub(r"^\[(Errno|WinError) \d+\] ", "", reason) or "the broker closed the connection"


def connection_refused(
    settings: IbSettings, notices: Sequence[tuple[int, str]], reason: str, *, was_connected: bool = False
) -> BrokerError:
    """The peer closed the connection before it was ready. was_connected: it had let us in."""
    if any(code == ID_IN_USE for code, _ in notices):
        return IdInUseError(
            f"client id {settings.client_id} is in use on {settings.where}",
            "another program, or an older run of this one, is connected with it: end that one, and start again",
        )
    words = notices[-1][1] if notices else reason
    tail = f": {words}" if words else ""
    return UnansweredError(
        f"{settings.where} closed the connection before it was ready{tail}",
        "check the API settings of TWS or IB Gateway: trusted addresses, and whether it is logged in",
        was_connected=was_connected,
    )


def no_lockstep(settings: IbSettings) -> BrokerError:
    """Lockstep was requested of a gateway with a clock of its own."""
    return BrokerError(
        f"{settings.where} does not offer a clock that waits for its clients",
        "lockstep works with the simulated gateway only ('rulebot gateway')",
    )


def incomplete(settings: IbSettings, missing: Sequence[str]) -> UnansweredError:
    """Connected, but lists that trading requires did not arrive.

    Several versions of TWS leave the list of executions without an end, for minutes or for good.
    """
    help = "wait until TWS or IB Gateway has loaded the account, then connect again"
    if list(missing) == [ENDS[55]]:
        help += "; if it stays so restart it, or take another version: some never end that list"
    return UnansweredError(f"{settings.where} is connected but did not send all of: {', '.join(missing)}", help)


def is_read_only(words: str) -> bool:
    """Say whether the gateway refuses something since its API is read-only; the code of that (321) has many causes."""
    return "Read-Only mode" in words


def read_only(settings: IbSettings) -> BrokerError:
    """Connected, but the API is read-only, so that lists of orders are refused, and orders would be."""
    return BrokerError(
        f"{settings.where} is connected, and its API is read-only: no orders, and no lists of orders",
        "in TWS or IB Gateway: Configure, API, Settings: switch off 'Read-Only API' (containers: READ_ONLY_API: no)",
    )


def positions_not_final(settings: IbSettings) -> UnansweredError:
    """Every list came, and came otherwise each time."""
    return UnansweredError(
        f"{settings.where} is connected, but its orders and positions are others each time they are asked for",
        "wait until TWS or IB Gateway has loaded the account, then connect again",
    )


def wrong_mode(settings: IbSettings, *, is_simulated: bool) -> BrokerError:
    """A run that began at a real gateway finds a simulated one in its place, or vice versa."""
    found, before = ("a simulated", "a real") if is_simulated else ("a real", "a simulated")
    return BrokerError(
        f"{settings.where} is {found} gateway now, and this run began at {before} one",
        "end the run, and give each gateway its own port",
    )


def other_account(settings: IbSettings, found: str, before: str) -> BrokerError:
    """A run that began with one account finds another one at its place: another user has logged in."""
    return BrokerError(
        f"{settings.where} has account {found} now, and this run began with {before}",
        "log in with the user of before, or end the run",
    )


def other_day(settings: IbSettings, ahead: float) -> BrokerError:
    """This computer's clock is so far from the broker's that days, sessions and expiries would be wrong."""
    way = "ahead of" if ahead > 0 else "behind"
    return BrokerError(
        f"this computer's clock is {abs(ahead) / 3600:,.1f} hours {way} the broker's at {settings.where}: dates of "
        "today's orders and expiries would be wrong",
        "set the clock and its time zone (NTP); an engine that runs, or waits for its gateway, then continues",
    )


def is_paper(account: str) -> bool:
    """Say whether an account id is one of paper trading."""
    return account.startswith(PAPER_PREFIXES)


NAME_IT = (
    "name it: account = \"DU1234567\" in rulebot.toml or RULEBOT_ACCOUNT, for a run also as 'account' of the account "
    "document; one engine trades one account"
)


def check_account(settings: IbSettings, accounts: Sequence[str]) -> str:
    """Return the account to use. Raises: BrokerError when it is not there, not chosen, or real money on paper."""
    if settings.account and settings.account not in accounts:
        raise BrokerError(
            f"account {settings.account} is not behind {settings.where}; there is {', '.join(accounts)}",
            "log in with the other user, or correct the account id",
        )
    chosen = settings.account or (accounts[0] if len(accounts) == 1 else settings.among)
    if chosen not in accounts:
        other = f", and {chosen} is none of them" if chosen else ", and nothing says which one is meant"
        raise BrokerError(f"{settings.where} has several accounts: {', '.join(accounts)}{other}", NAME_IT)
    if settings.paper and not is_paper(chosen):
        raise BrokerError(
            f"account {chosen} is not a paper account (those begin with DU or DF), and the mode is paper",
            "connect to the paper login (TWS 7497, IB Gateway 4002), or run in live mode if real money is meant",
        )
    if settings.paper is False and is_paper(chosen):
        raise BrokerError(
            f"account {chosen} is a paper account, and the mode is live",
            "connect to the live login (TWS 7496, IB Gateway 4001), or run in paper mode",
        )
    return chosen


def other_currency(account: str, currency: str) -> BrokerError:
    """The account's base currency is not the one that every limit and every price is in."""
    return BrokerError(
        f"account {account} is kept in {currency}; every limit, price and report here is in US dollars",
        "use an account whose base currency is USD, or change it in the settings of Client Portal",
    )


def ids_used_up(next_id: int) -> BrokerError:
    """The next order id reaches into the range of request ids."""
    return BrokerError(
        f"the broker's next order id is {next_id}, too high",
        "in TWS: Configure, API, Settings, 'Reset API order ID sequence'",
    )
