"""The words for a measure and its arguments in a sentence."""

from collections.abc import Callable

from rulebot.measure.series import SIZES
from rulebot.measure.tree import OPEN_LEGS, Argument, Call
from rulebot.model.values import dataclass

Phrase = Callable[["MeasureText"], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingContext:
    """Who may be meant: a bot's underlyings and legs. Without any a measure is named without its symbol.

    entry: what its structure is opened for, "credit" or "debit", where that is known.
    """

    symbols: tuple[str, ...] = ()
    shorts: tuple[str, ...] = ()
    longs: tuple[str, ...] = ()
    entry: str = "entry price"

    @property
    def legs(self) -> tuple[str, ...]:
        """All legs, the short ones first."""
        return (*self.shorts, *self.longs)


NOBODY = NamingContext()


@dataclass(frozen=True, slots=True)
class MeasureText:
    """One call with the cast it is said among."""

    call: Call
    cast: NamingContext

    def given(self, name: str) -> Argument:
        """Return an argument, None when it was left out."""
        return dict(self.call.arguments).get(name)

    @property
    def symbol(self) -> str:
        """The underlying that is measured, `spot` when the call names none."""
        of = self.given("of")
        return of if isinstance(of, str) else "spot"

    @property
    def of_symbol(self) -> str:
        """` of SPY` where the bot has several underlyings, else nothing."""
        return f" of {self.symbol}" if len(self.cast.symbols) > 1 else ""

    @property
    def of_shares(self) -> str:
        """`SPY shares`, or `shares` when the call names no underlying."""
        of = self.given("of")
        return f"{of} shares" if isinstance(of, str) else "shares"

    @property
    def since(self) -> str:
        """Where a change is counted from."""
        base = str(self.given("since"))
        return f"since the {'previous close' if base == 'close' else base}"

    @property
    def at_natural(self) -> str:
        """` at natural` when that price is meant, else nothing: mid is what everybody expects."""
        return {"natural": " at natural", "mid": ""}.get(str(self.given("at")), "")

    @property
    def at_price(self) -> str:
        """` at mid` or ` at natural`, nothing where it is the price that the order starts from."""
        at = self.given("at")
        return "" if at in (None, "start") else f" at {at}"

    @property
    def some_legs(self) -> str:
        """` short_put and long_put` where legs are named, else nothing: the whole position is meant."""
        return f" {self.all_legs()}" if self.given("of") is not None else ""

    @property
    def of_legs(self) -> str:
        """The same behind ` of`."""
        return f" of{self.some_legs}" if self.some_legs else ""

    def one_leg(self) -> str:
        """Return the legs that are judged each for itself: `a short leg`, `short_put`, `short_put or short_call`."""
        return legs_words(self.given("of"), self.cast, "a", "or")

    def all_legs(self) -> str:
        """Return the same as a group: `the legs`, `the short legs`, `short_put and short_call`."""
        return legs_words(self.given("of"), self.cast, "the", "and")


def legs_words(of: Argument, cast: NamingContext, article: str, between: str) -> str:
    """Return a choice of legs in words. A group of one is called by its name."""
    if of == OPEN_LEGS:
        return "the legs that are still open"
    names = of if isinstance(of, tuple) else (str(of),)
    if len(names) > 1:
        ending = "s" if article == "the" else ""
        for kind, group in (("short ", cast.shorts), ("long ", cast.longs), ("", cast.legs)):
            if set(names) == set(group):
                return f"{article} {kind}leg{ending}"
    return listed(names, between)


def listed(names: tuple[str, ...], between: str) -> str:
    """Return `CPI, FOMC or NFP`."""
    return f"{', '.join(names[:-1])} {between} {names[-1]}" if len(names) > 1 else "".join(names)


def fixed(text: str) -> Phrase:
    """Return the phrase that is independent of the arguments."""
    return lambda words: text


def over(words: MeasureText, name: str = "window") -> str:
    """Return `20 days`, or `9 bars of 5m`."""
    count, size = words.given(name), words.given("bars")
    return f"{count} days" if size is None else f"{count} bars of {SIZES[int(float(str(size)))]}"
