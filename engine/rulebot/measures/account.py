"""Measures of the account: the shares that it holds, and what they have cost."""

from collections.abc import Callable, Mapping

from rulebot.measure.definition import DOLLARS, PLAIN, SPOT_LEVEL, SYMBOL, Measure, Refusal
from rulebot.measure.ranges import NOT_NEGATIVE
from rulebot.measure.reading import Calculation, Input, Reading, UnknownValue
from rulebot.measure.tree import Argument, Call, Quantity
from rulebot.measure.usual import ACCOUNT, PRICE_LEVEL, Likeness, Usual
from rulebot.measure.view import View
from rulebot.measure.words import fixed
from rulebot.model.contract import product
from rulebot.model.loss_bound import ShareHolding

NOT_REPORTED = "the account's positions are not known yet"


def _holding(symbol: str) -> Input:
    """Return the account's shares of a symbol as an input."""

    def read(view: View) -> ShareHolding | UnknownValue:
        found = view.shares(symbol)
        return UnknownValue(NOT_REPORTED) if found is None else found

    return Input(lambda context: read)


def _shares_held(call: Call) -> Calculation:
    """Those that no short call needs, of whichever bot or sold by hand."""
    return Calculation((_holding(str(call.argument("of"))),), lambda found: float(found.free))


def cost_basis(call: Call) -> Calculation:
    """Dollars a share, as the broker averages them."""
    symbol = str(call.argument("of"))

    def cost(found: ShareHolding) -> float | UnknownValue:
        return UnknownValue(f"the account holds no {symbol} shares") if found.cost is None else float(found.cost)

    return Calculation((_holding(symbol),), cost)


def _of_account(call: Call) -> Calculation:
    """`buying_power` and `net_liquidation`, dollars."""
    name = call.measure

    def read(view: View) -> Reading:
        found = getattr(view.facts.account, name)
        return (
            UnknownValue(f"the broker has not reported the account's {name.replace('_', ' ')}")
            if found is None
            else float(found)
        )

    return Calculation((Input(lambda context: read),))


def _refuse_index(measure: str) -> Callable[[Mapping[str, Argument]], Refusal | None]:
    def refuse(given: Mapping[str, Argument]) -> Refusal | None:
        of = str(given["of"])
        message = f"'{measure}' needs an ETF or a stock: there are no shares of {of}, an index"
        return None if product(of).is_tradable else Refusal(message, on_key=True)

    return refuse


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="shares_held",
        title="Shares held",
        about="Shares of the underlying in the account that no short call needs already.",
        formula="Shares in the account less those that short calls need, of all bots and sold by hand; never below 0.",
        source="positions of the account and of all bots",
        units=PLAIN,
        parameters=(SYMBOL,),
        max_age=None,
        reads=("facts", "position"),
        calculation=_shares_held,
        refuse=_refuse_index("shares_held"),
        usual={Quantity.PLAIN: Usual(99.0, 1000000.0, zero=True)},
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the count of {words.of_shares} that no call needs",
        subject="shares held",
        bound="shares",
        examples=({"above": 100},),
        bounds=(100, 1000),
        let_example={"of": "SPY"},
        is_of_desk=True,
    ),
    Measure(
        name="cost_basis",
        title="Cost basis",
        about="What the shares of the underlying in the account have cost on average, dollars a share.",
        formula=(
            "The broker's average cost of the shares in the account, commissions included, and the premium of an "
            "option that brought them, which IBKR counts a day or two later; unknown without shares."
        ),
        source="positions of the account",
        units=SPOT_LEVEL,
        parameters=(SYMBOL,),
        max_age=None,
        reads=("facts",),
        calculation=cost_basis,
        refuse=_refuse_index("cost_basis"),
        usual=PRICE_LEVEL,
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the average cost of the {words.of_shares} held",
        subject="the cost basis",
        bound="level",
        examples=({"above": 580},),
        bounds=(580, 600),
        let_example={"of": "SPY"},
        likeness=Likeness.PRICE,
        is_of_desk=True,
    ),
    Measure(
        name="buying_power",
        title="Buying power",
        about="What the account can still buy, by the rules of the broker.",
        formula="What the account can still buy, dollars, by the broker's own rules.",
        source="the account as the broker last reported it",
        units=DOLLARS,
        max_age=None,
        reads=("facts",),
        calculation=_of_account,
        usual=ACCOUNT,
        phrase=fixed("the account's buying power"),
        subject="it",
        bound="account_dollars",
        examples=({"at_least": "$25000"},),
        bounds=("$25000", "$50000"),
        is_of_desk=True,
    ),
    Measure(
        name="net_liquidation",
        title="Net liquidation",
        about="The account's value if everything were closed now.",
        formula="The account's value if everything were closed now, dollars.",
        source="the account as the broker last reported it",
        units=DOLLARS,
        max_age=None,
        reads=("facts",),
        calculation=_of_account,
        usual=ACCOUNT,
        phrase=fixed("the account's net liquidation value"),
        subject="it",
        bound="account_dollars",
        examples=({"at_least": "$25000"},),
        bounds=("$25000", "$50000"),
        is_of_desk=True,
    ),
)
