"""Which options a structure is made of, right now: expiry by the spec's rule, strikes leg by leg, and why.

Unknown never chooses: when the strikes around the wanted delta are not all quoted, or spot is not known, there is no
selection, with the reason. Meanings: language.md, Legs.
"""

from rulebot.compile.plan import LegPlan
from rulebot.evaluate.strike_terms import ExpectedMove, partner_of
from rulebot.evaluate.strike_values import LegChoice
from rulebot.evaluate.strikes import StrikeChooser
from rulebot.measure.view import LegView, View
from rulebot.model.contract import Option, share
from rulebot.model.values import dataclass
from rulebot.spec.nouns import StrikeBy


@dataclass(frozen=True, slots=True)
class StructureSelection:
    """The structure chosen, or why there is none: `missing` is unknown data, `refused` a rule of the spec."""

    legs: tuple[LegView, ...]
    choices: tuple[LegChoice, ...]
    missing: str = ""
    refused: str = ""

    @property
    def is_complete(self) -> bool:
        """True when every leg has its option."""
        return not self.missing and not self.refused


def select(
    legs: tuple[LegPlan, ...],
    view: View,
    expected_move: ExpectedMove,
    avoid: frozenset[Option] = frozenset(),
    taken: frozenset[tuple[Option, int]] = frozenset(),
    *,
    explain: bool = False,
) -> StructureSelection:
    """Return the structure that the legs' selectors choose at this instant.

    `legs` are in the order their references require. `expected_move` is the measure for the legs' expiry. `avoid` are
    contracts in which the broker refuses an order of our side: their strikes are passed over. `taken` are contracts
    with the sign of the side that would close what some position holds: a leg of that sign goes to the next strike out.
    `explain` adds the candidates of every leg: wanted on record, not at every quote.
    """
    chosen: dict[str, Option] = {}
    choices: list[LegChoice] = []
    for leg in legs:
        if leg.is_shares:
            chosen[leg.name] = share(leg.symbol)
            choices.append(LegChoice(leg.name, f"{leg.ratio} shares", chosen[leg.name]))
            continue
        partner = _partner(leg, legs)
        choice = StrikeChooser(
            leg, view, expected_move, chosen, avoid, taken, explain=explain, partner=partner
        ).choose()
        choices.append(choice)
        if choice.option is None:
            return StructureSelection((), tuple(choices), choice.missing, choice.refused)
        if other := next((name for name, option in chosen.items() if option == choice.option), ""):
            reason = f"{leg.name} and {other} would be the same contract, {choice.option}"
            return StructureSelection((), tuple(choices), refused=reason)
        chosen[leg.name] = choice.option
    rows = view.board.rows
    views = tuple(
        LegView(leg.name, chosen[leg.name], rows.get(chosen[leg.name], -1), leg.sign, leg.ratio, leg.group)
        for leg in legs
    )
    return StructureSelection(views, tuple(choices))


def _partner(leg: LegPlan, legs: tuple[LegPlan, ...]) -> LegPlan | None:
    return partner_of(leg, legs) if leg.strike.by is StrikeBy.SIDE_CREDIT else None
