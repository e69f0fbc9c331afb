"""Which symbols of some bots a simulated market has not: said before a run, which would end at the first of them."""

from collections.abc import Iterable

from rulebot.core.program import CompiledBot
from rulebot.model.errors import MisuseError
from twsim.market.universe import ASSETS, OPTION_CLASSES


def check_sim_symbols(bots: Iterable[CompiledBot]) -> None:
    """Raises: MisuseError for a bot that reads a symbol, or trades options, which the simulated market has not."""
    optioned = {each.symbol for each in OPTION_CLASSES.values()}
    for bot in bots:
        needs = bot.plan.needs
        unknown = sorted({each for each in needs.symbols if each not in ASSETS})
        lacking = sorted({symbol for symbol, *_ in needs.chains if symbol in ASSETS and symbol not in optioned})
        if unknown or lacking:
            what = f"no {', '.join(unknown)}" if unknown else f"no options on {', '.join(lacking)}"
            raise MisuseError(
                f"the simulated market has {what}, which {bot.plan.name} reads",
                f"it has options on {', '.join(sorted(optioned))}; 'rulebot backtest' takes data of others",
            )
