"""A structure that an operator names by its contracts, as a row of a scan has it: what of it a bot may enter."""

from collections.abc import Iterator

from rulebot.compile.plan import LegPlan
from rulebot.core.program import CompiledBot
from rulebot.core.queries.openings import bot_of_named
from rulebot.core.rules.selections import taken_for
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import Named
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.listings import expiry_on
from rulebot.measure.view import LegView, View
from rulebot.model.contract import Option

ANEW = "scan again, and enter a new row"


def unfit(work: StateBuilder, whole: CompiledBot, named: Named) -> str:
    """Return why a bot may not enter this structure as things are, "" where its text could have chosen it."""
    bot = bot_of_named(whole, named)
    if bot is None:
        which = f"{named.symbol} {named.alternative}".rstrip()
        return f"its text has no structure {which} now: {ANEW}"
    legs = {leg.name: leg for leg in bot.plan.legs}
    if legs.keys() != dict(named.legs).keys():
        return f"its text has other legs than {', '.join(name for name, _ in named.legs)} now: {ANEW}"
    taken = taken_for(work, bot)
    for name, option in named.legs:
        leg = legs[name]
        if reason := next(_misfits(work, leg, option), ""):
            return f"{name}: {reason}"
        if option in work.blocked_for(whole.plan.name) or (option, leg.sign) in taken:
            return f"{name}: an order or a position of the other side stands in {option}"
    return ""


def _misfits(work: StateBuilder, leg: LegPlan, option: Option) -> Iterator[str]:
    """Yield why the leg of a text cannot be this contract; what is not listed yet may be."""
    if option.is_share is not leg.is_shares or option.symbol != leg.symbol:
        yield f"its text has no {option} there now: {ANEW}"
    elif not leg.is_shares:
        if option.right is not leg.right or option.trading_class != leg.trading_class:
            yield f"its text has no {option} there now: {ANEW}"
        if option.expiry < work.schedule.session.date:
            yield f"{option} is over: {ANEW}"
        listing = work.market.facts.listings.get((leg.symbol, leg.trading_class))
        if listing is not None:
            expiry = expiry_on(leg.expiry, listing.expiries, work.schedule.session.date)
            if expiry != option.expiry:
                yield f"its text takes {expiry or 'no expiry'} today, and not {option.expiry}: {ANEW}"
            strikes = listing.strikes.get(option.expiry)
            if strikes and option.strike not in strikes:
                yield f"{option} is not listed"


def named_selection(bot: CompiledBot, named: Named, view: View) -> StructureSelection:
    """Return the structure as a choice, in the order of the bot's legs. named: one that is not `unfit`."""
    options, rows = dict(named.legs), view.board.rows
    return StructureSelection(
        tuple(
            LegView(leg.name, options[leg.name], rows.get(options[leg.name], -1), leg.sign, leg.ratio, leg.group)
            for leg in bot.plan.legs
        ),
        (),
    )
