"""Why a line of market data does not stream, by the broker's code. Source: TWS API message codes."""

from rulebot.adapters.ib.contracts import subscription, subscriptions_of_all
from rulebot.model.contract import Contract

NOT_SUBSCRIBED = frozenset((354, 10089, 10168, 10186))
PARTLY = frozenset((10090, 10091))
"""The line streams, and lacks some ticks, as those of an option that are made of an underlying without subscription."""
OR_DELAYED = 3
"""The kind of market data to ask for: live where subscribed, else delayed by 10 to 15 minutes."""
DELAYED, DISCONNECTED, ELSEWHERE, LINES_USED_UP = 10167, 10182, 10197, 101


def no_data_reason(contract: Contract, code: int, text: str, *, is_used: bool = False) -> str:
    """Return in words why a contract does not stream as it should; is_used: delayed data of it is traded on."""
    if code in NOT_SUBSCRIBED:
        return f"no market data subscription; it needs {subscription(contract)} (error {code}: {text})"
    if code == DELAYED and is_used:
        return f"delayed data, 10 to 15 minutes old; live data needs {subscription(contract)} (error {code})"
    if code == DELAYED:
        return f"delayed data only, never traded on; it needs {subscription(contract)} (error {code})"
    if code in PARTLY:
        return f"not all data is subscribed; it needs {subscriptions_of_all(contract)} (error {code}: {text})"
    if code == ELSEWHERE:
        return f"another session of this user has the market data (error {code})"
    if code == LINES_USED_UP:
        return f"the broker's market data lines are used up (error {code})"
    return f"{text} (error {code})"
