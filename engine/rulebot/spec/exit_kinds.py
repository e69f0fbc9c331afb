"""The kinds of exit, one row each: the only place for what the rest of the program must know of a kind.

To add a kind that closes: add its row, a paragraph in docs/language.md, an example and a test; regenerate the schema.
What else a kind may do (a price at the broker, another order) is asked of its row's fields, never of its name.
"""

from collections.abc import Mapping
from enum import Enum

from rulebot.model.money import Rounding
from rulebot.model.order import OrderType, Purpose
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """The order at the broker for an exit of a kind that may rest there.

    buys, sells: which neighbour of its price between two ticks the order takes. takes_combo: several legs rest as one
    order. acts_at_market: once touched it fills at any price. words: what it is, for `explain`.
    """

    order_type: OrderType
    purpose: Purpose
    buys: Rounding
    sells: Rounding
    takes_combo: bool
    acts_at_market: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a kind of exit is.

    about, examples: what the JSON Schema says of it; of each level at least one.
    levels: the measures it may be given, with the comparison that each means; none for what is no level of profit or
    loss.
    takes_profit: it closes only at its price or better, and yields to every other exit.
    limits_loss: it guards against a loss, which the trade's worst case bounds.
    is_ending: it is never judged, since it is what happens anyway.
    lost: what a spec loses with it, for `diff`; {worst} is the worst trade.
    """

    about: str = ""
    examples: tuple[Mapping[str, object], ...] = ()
    levels: Mapping[str, Op]
    takes_profit: bool = False
    limits_loss: bool = False
    is_ending: bool = False
    resting: Resting | None = None
    lost: str = "it no longer leaves when this holds"


class ExitKind(Enum):
    """The kind of an exit: its key in a spec and in records, and its traits."""

    traits: Traits

    def __new__(cls, word: str, traits: Traits) -> "ExitKind":
        """Make a kind whose value is its word."""
        kind = object.__new__(cls)
        kind._value_ = word
        kind.traits = traits
        return kind

    CONDITION = "condition", Traits(levels={})
    TARGET = (
        "target",
        Traits(
            about="An exit on profit: closes at the price that keeps this much, or better.",
            examples=({"profit": "50%"}, {"profit": "$100"}, {"cost": "0.4x credit"}, {"value": "2x debit"}),
            levels={"profit": Op.AT_LEAST, "cost": Op.AT_MOST, "value": Op.AT_LEAST},
            takes_profit=True,
            resting=Resting(
                order_type=OrderType.LIMIT,
                purpose=Purpose.TARGET,
                buys=Rounding.DOWN,
                sells=Rounding.UP,
                takes_combo=True,
                acts_at_market=False,
                words="a limit order at the broker",
            ),
            lost="a profit is not taken",
        ),
    )
    STOP = (
        "stop",
        Traits(
            about="An exit on loss: acts once this much is reached. `loss: 200%` loses twice the credit, "
            "`cost: 2x credit` buys back at twice the credit.",
            examples=(
                {"cost": "2x credit"},
                {"loss": "$50"},
                {"loss": "200%"},
                {"profit": "10%"},
                {"give_back": "20%"},
                {"give_back": "$100"},
                {"value": "0.5x debit"},
            ),
            levels={
                "profit": Op.AT_MOST,
                "loss": Op.AT_LEAST,
                "give_back": Op.AT_LEAST,
                "cost": Op.AT_LEAST,
                "value": Op.AT_MOST,
            },
            limits_loss=True,
            resting=Resting(
                order_type=OrderType.STOP,
                purpose=Purpose.STOP,
                buys=Rounding.NEAREST,
                sells=Rounding.NEAREST,
                takes_combo=False,
                acts_at_market=True,
                words="a stop order at the broker, at market once touched",
            ),
            lost="a loss runs on to {worst}",
        ),
    )
    AT_EXPIRY = "at_expiry", Traits(levels={}, is_ending=True)

    @property
    def takes_profit(self) -> bool:
        """True when it closes only at its price or better, and yields to every other exit."""
        return self.traits.takes_profit

    @property
    def limits_loss(self) -> bool:
        """True when it guards against a loss."""
        return self.traits.limits_loss

    @property
    def is_level(self) -> bool:
        """True when it acts at a level of profit or loss."""
        return bool(self.traits.levels)

    @property
    def is_ending(self) -> bool:
        """True when it is never judged, since it is what happens anyway."""
        return self.traits.is_ending


EXIT_KEYS: Mapping[str, ExitKind] = {kind.value: kind for kind in ExitKind if kind.is_level or kind.is_ending}
"""The keys that say what kind of exit a rule is; one without any of them is a condition."""
LEVELS: Mapping[str, ExitKind] = {word: kind for word, kind in EXIT_KEYS.items() if kind.is_level}
"""Those of exits at a level of profit or loss."""
