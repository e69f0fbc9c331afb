"""Features at each entry of a backtest, for training: read from the board of that instant, by the closures of rules.

They are those that a model would have read in the judgement that led to the order: `when` sees the market alone,
`require` the legs and the price at which the order starts too. What they need is streamed, as it would be for a model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from rulebot.compile.data_needs import combined_needs, needs_of
from rulebot.compile.features import VERSION, inputs_at, usual_features
from rulebot.compile.plan import Number, Plan
from rulebot.compile.problem import Fault
from rulebot.core.entry.structure_selection import opening_commission, price_legs, show_candidate
from rulebot.core.program import CompiledBot, Program, compile_bot
from rulebot.core.state.state import State
from rulebot.evaluate.measure import context_of, reader_of
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.definition import Place
from rulebot.measure.reading import Read, number_of
from rulebot.measure.view import LegView, View
from rulebot.measures.model import features_read
from rulebot.model.errors import MisuseError
from rulebot.model.order import Command, Purpose, Submit
from rulebot.model.position import Position
from rulebot.model.values import dataclass
from rulebot.record.record import Json, Kind, Record

# --- Features of entries that a backtest notes in its store

REGIME = "VIX"
"""The index whose first level of a session is noted, as `open`: results are grouped by it."""
HELD = "shares held"
"""Shares of the account at the end of a session, noted when they have changed."""
SPLIT = "split"
"""The session at whose levels shares, that were held over the night before, are those of after a split (the value)."""
FEATURES = "features"
"""What a model could have known when a position was entered (the symbol): names, values, version, place."""
FINDING = "finding"
"""What was wrong with the data of a session: file, row, severity, text, and how often as the value."""
NO_DATA = "no data"
"""There is no readable data of this session: it was run only for held positions."""


# --- Features at each entry of a backtest, for training

PLACES = {"when": Place.FILTER, "require": Place.REQUIRE}
"""Place of the model, by the word that a person writes."""


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """Which features are noted, and the place of the model: a key of PLACES."""

    features: tuple[str, ...]
    place: str


def sampling(place: str, features: Sequence[str] = ()) -> SamplingOptions:
    """Return what is noted for a model in a place: these features, or the usual ones."""
    return SamplingOptions(tuple(dict.fromkeys(features)) or usual_features(PLACES[place]), place)


class Sampler:
    """Notes the features of each position when its first order is sent."""

    def __init__(self, program: Program, sampling: SamplingOptions) -> None:
        self._program = program
        self._sampling = sampling
        self._reads: dict[tuple[str, str, str], tuple[Read, ...]] = {}
        self._seen: set[str] = set()

    def noted(self, state: State, commands: Iterable[Command], at: datetime) -> list[Record]:
        """Return the features of the positions that these commands enter, a record each."""
        orders = [each.order for each in commands if isinstance(each, Submit)]
        entered = {each.position for each in orders if each.purpose is Purpose.ENTRY} - self._seen
        self._seen |= entered
        return [self._record(state, state.positions.by_id[name], at) for name in sorted(entered)]

    def _record(self, state: State, position: Position, at: datetime) -> Record:
        bot = self._program.governing(position)
        view = View(
            now=at.timestamp(), session=state.schedule.session, board=state.market.board, facts=state.market.facts
        )
        if PLACES[self._sampling.place] is Place.REQUIRE:
            _show(view, bot.plan, position)
        values: list[Json] = [number_of(each) for each in features_read(self._reads_of(bot), view)]
        data: dict[str, Json] = {"symbol": position.id, "what": FEATURES, "value": values, "names": self._names()}
        about: dict[str, Json] = {"version": VERSION, "place": self._sampling.place}
        return Record(at, Kind.FACTS, bot=position.bot, position=position.id, data={**data, **about})

    def _names(self) -> list[Json]:
        return [*self._sampling.features]

    def _reads_of(self, bot: CompiledBot) -> tuple[Read, ...]:
        key = (bot.plan.name, bot.symbol, bot.alternative)
        if key not in self._reads:
            context = context_of(bot.plan)
            self._reads[key] = tuple(reader_of(each, context) for each in _inputs(bot.plan, self._sampling))
        return self._reads[key]


def _show(view: View, plan: Plan, position: Position) -> None:
    """Let the view see the structure as `require` saw it."""
    rows = view.board.rows
    legs = tuple(LegView(x.name, x.option, rows.get(x.option, -1), x.sign, x.ratio, x.group) for x in position.legs)
    selection = StructureSelection(legs, ())
    show_candidate(view, plan, selection, price_legs(selection, view))
    view.quantity = position.quantity
    view.commission = float(opening_commission(selection, view, position.quantity))


def _inputs(plan: Plan, sampling: SamplingOptions) -> tuple[Number, ...]:
    """Return the features of a plan as numbers. Raises: MisuseError for one that it cannot have there."""
    try:
        return inputs_at(sampling.features, plan, PLACES[sampling.place])
    except Fault as fault:
        raise MisuseError(fault.problem.message, fault.problem.help or "docs/learning.md has the list") from fault


def streaming(program: Program, sampling: SamplingOptions) -> Program:
    """Return a program that also streams what the features read. Raises: MisuseError."""
    return replace(program, bots={name: _wanting(bot, sampling) for name, bot in program.bots.items()})


def _wanting(bot: CompiledBot, sampling: SamplingOptions) -> CompiledBot:
    plan = bot.plan
    if plan.choices or plan.members:
        raise MisuseError(f"{plan.name} has a choice of structures or symbols", "train on a spec with one of each")
    numbers = _inputs(plan, sampling)
    wanted = needs_of((), plan.legs, plan.expiry, numbers, plan.underlyings[0])
    return compile_bot(replace(plan, needs=combined_needs((plan.needs, wanted))))
