"""A chosen structure, on record."""

from rulebot.core.program import CompiledBot
from rulebot.core.queries.openings import held_or_entering
from rulebot.core.rules.rule_evaluation import rounded
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import active_positions, blocked_for
from rulebot.evaluate.strikes import StructureSelection, select
from rulebot.measure.view import View
from rulebot.model.contract import Option
from rulebot.model.market import level_of
from rulebot.record.record import Json, Kind
from rulebot.spec.nouns import IfHeld


def taken_for(work: StateBuilder, bot: CompiledBot) -> frozenset[tuple[Option, int]]:
    """Return what positions hold, with the sign of the side that would close it, where the spec shifts from that."""
    if bot.plan.on_conflict is not IfHeld.SHIFT:
        return frozenset()
    held = (leg for position in active_positions(work) for leg in held_or_entering(work, position))
    return frozenset((leg.option, -leg.sign) for leg in held)


def record_selection(
    work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection, reason: str, position: str = ""
) -> None:
    """Record what each leg asked for and the strikes considered: the selection repeated, with explanations."""
    plan = bot.plan
    avoid = blocked_for(work, plan.name)
    choices = select(plan.legs, view, bot.expected_move, avoid, taken_for(work, bot), explain=True).choices
    legs: list[Json] = []
    for choice in choices if selection.choices else ():
        candidates: list[Json] = [
            {
                "strike": str(candidate.strike),
                "bid": candidate.bid,
                "ask": candidate.ask,
                "delta": candidate.delta,
                "distance": None if candidate.distance is None else round(candidate.distance, 6),
            }
            for candidate in choice.candidates
        ]
        found = "" if choice.option is None else str(choice.option)
        legs.append({"name": choice.name, "asked": choice.asked, "found": found, "candidates": candidates})
    levels = {leg.option.symbol: level_of(work.market.board, leg.option.symbol, work.now) for leg in selection.legs}
    spots: dict[str, Json] = {symbol: rounded(level) for symbol, level in levels.items()}
    chosen: dict[str, Json] = {
        key: said for key, said in (("symbol", bot.symbol), ("alternative", bot.alternative)) if said
    }
    work.record(Kind.SELECTION, plan.name, position, legs=legs, reason=reason, spots=spots, **chosen)
