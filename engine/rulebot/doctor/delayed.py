"""Cboe's delayed quotes where no gateway tells: what they say, and which legs each bot would choose on them.

Every line says that they are delayed. Nothing here makes a check of the broker's own data pass.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

from rulebot.adapters.cboe.fetch import place
from rulebot.adapters.cboe.parse import DelayedDataError
from rulebot.adapters.clock import Clock
from rulebot.doctor.finding import Finding, Group, fine, outage, unchecked, warning
from rulebot.doctor.legs import told_legs
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.counted import counted
from rulebot.model.facts import EventCalendar
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.preview.delayed_data import MARK, DelayedSight, read_delayed, symbols_of


async def delayed_data(desk: LoadedBots, calendar: EventCalendar, clock: Clock) -> AsyncIterator[Finding]:
    """Yield what Cboe's files say. Raises: MisuseError for an address that cannot be asked."""
    address = place()
    if not desk.bots:
        yield unchecked(Group.DELAYED, "Cboe", "no bot needs any")
        return
    try:
        chains, troubles = await read_delayed(symbols_of(desk), address, clock.now())
    except DelayedDataError as error:
        yield outage(Group.DELAYED, "Cboe", error)
        return
    for words in troubles:
        yield warning(Group.DELAYED, "Cboe", words)
    for chain in chains:
        at = chain.at.astimezone(EXCHANGE_ZONE)
        of = f"{chain.numbers['current_price']:,.2f} as of {at:%Y-%m-%d %H:%M:%S}"
        yield fine(Group.DELAYED, chain.symbol, f"{MARK}: {of}, {counted(len(chain.options), 'option')}")
    sight = DelayedSight(desk, calendar, chains)
    for candidate, _ in sight.candidates(desk):
        found = told_legs(sight, candidate)
        yield replace(found, group=Group.DELAYED, text=f"{MARK}: {found.text}")
