"""What each measure is called in a sentence: one entry a measure, for `why`, `explain` and all that words a rule."""

from collections.abc import Mapping

from rulebot.compile.plan import Call, Plan
from rulebot.measure.series import SIZES
from rulebot.measure.words import BY_ESTIMATOR, NOBODY, MeasureText, NamingContext, Phrase, listed


def naming_context(plan: Plan) -> NamingContext:
    """Return whom the rules of a plan speak of."""
    return NamingContext(
        symbols=plan.underlyings,
        shorts=tuple(leg.name for leg in plan.legs if leg.sign < 0),
        longs=tuple(leg.name for leg in plan.legs if leg.sign > 0),
        entry=plan.opens_for,
    )


def _fixed(text: str) -> Phrase:
    return lambda words: text


def _expected_move(words: MeasureText) -> str:
    by = " by implied volatility" if words.given("method") == "iv" else ""
    whose = "the open's" if words.given("asof") == "open" else "the"
    return f"{whose} expected move{words.of_symbol}{by}"


def _model(words: MeasureText) -> str:
    digest = words.given("sha256")
    which = f" ({str(digest)[:8]})" if digest is not None else ""
    return f"what the model {words.given('file')}{which} gives{words.of_symbol}"


def _events(words: MeasureText) -> str:
    of = words.given("of")
    return listed(of if isinstance(of, tuple) else (str(of),), "or")


def _realised(words: MeasureText) -> str:
    """Return ` of SPY by Parkinson (20 sessions)`, as far as it is not what everybody expects."""
    by, window = BY_ESTIMATOR.get(str(words.given("estimator")), ""), words.given("window")
    return f"{words.of_symbol}{by}{f' ({window} sessions)' if window is not None else ''}"


def _over(words: MeasureText, name: str = "window") -> str:
    """Return `20 days`, or `9 bars of 5m`."""
    count, size = words.given(name), words.given("bars")
    return f"{count} days" if size is None else f"{count} bars of {SIZES[int(float(str(size)))]}"


def _averaged(kind: str) -> Phrase:
    return lambda words: f"the {kind} average{words.of_symbol} over {_over(words)}"


def _breadth(words: MeasureText) -> str:
    of = words.given("of")
    count = len(of) if isinstance(of, tuple) else 0
    return f"the part of {count} symbols that closed above their average over {_over(words)}"


def _imbalance(words: MeasureText) -> str:
    counted = "open in" if words.given("count") == "open_interest" else "traded of"
    return f"the excess of puts over calls {counted} today's options{words.of_symbol}"


def _volume_rank(words: MeasureText) -> str:
    among = words.given("among")
    count = len(among) if isinstance(among, tuple) else 0
    return f"the place{words.of_symbol} by option volume among {count} symbols"


def _trend(words: MeasureText) -> str:
    average = "exponential" if words.given("average") == "ema" else "simple"
    return f"the trend{words.of_symbol} by {average} averages over {words.given('fast')} and {_over(words, 'slow')}"


def _opening_range(words: MeasureText) -> str:
    minutes = float(str(words.given("first"))) / 60.0
    return f"the range{words.of_symbol} of the first {minutes:.0f} minutes"


PHRASES: Mapping[str, Phrase] = {
    "spot": lambda words: words.symbol,
    "vix": _fixed("VIX"),
    "vix9d": _fixed("VIX9D"),
    "vix1d": _fixed("VIX1D"),
    "vix3m": _fixed("VIX3M"),
    "vix_change": lambda words: f"the change of VIX {words.since}",
    "move": lambda words: f"the move of {words.symbol} {words.since}",
    "vix_spike": _fixed("the rise of VIX above its lowest of the session"),
    "spx_spy_ratio": _fixed("SPX / SPY"),
    "gap": lambda words: f"the gap of {words.symbol} between the previous close and the open",
    "day_range": lambda words: f"the day's range{words.of_symbol}",
    "iv": lambda words: f"implied volatility{words.of_symbol}",
    "rv": lambda words: f"realised volatility{_realised(words)}",
    "iv_over_rv": lambda words: f"implied over realised volatility{_realised(words)}",
    "expected_move": _expected_move,
    "iv_rank": lambda words: f"the rank of implied volatility{words.of_symbol} over a year",
    "iv_percentile": lambda words: f"the percentile of implied volatility{words.of_symbol} over a year",
    "volume": lambda words: f"the day's volume of {words.one_leg()}",
    "open_interest": lambda words: f"the open interest of {words.one_leg()}",
    "put_call_volume": lambda words: f"puts over calls traded today{words.of_symbol}",
    "put_call_imbalance": _imbalance,
    "option_volume": lambda words: f"the day's option volume{words.of_symbol}",
    "volume_rank": _volume_rank,
    "skew": lambda words: f"the skew of implied volatility{words.of_symbol}",
    "crowding": lambda words: f"the crowding meter{words.of_symbol}",
    "model": _model,
    "sma": _averaged("simple"),
    "ema": _averaged("exponential"),
    "rsi": lambda words: f"RSI{words.of_symbol} over {_over(words)}",
    "adx": lambda words: f"ADX{words.of_symbol} over {_over(words)}",
    "vwap": lambda words: f"the session's average price{words.of_symbol}, weighted by volume",
    "breadth": _breadth,
    "trend": _trend,
    "opening_range": _opening_range,
    "no_event": lambda words: f"no {_events(words)}",
    "event": _events,
    "time": lambda words: str(words.given("at")),
    "session": _fixed("the session"),
    "shares_held": lambda words: f"the count of {words.of_shares} that no call needs",
    "cost_basis": lambda words: f"the average cost of the {words.of_shares} held",
    "quote_width": lambda words: f"the quote of {words.one_leg()}",
    "credit": lambda words: f"the credit{words.at_price}",
    "debit": lambda words: f"the debit{words.at_price}",
    "max_risk": _fixed("the most it can lose"),
    "return_on_risk": _fixed("the return on risk"),
    "probability_of_profit": _fixed("the probability of profit"),
    "probability_in_the_money": lambda words: f"the probability that {words.one_leg()} ends in the money",
    "margin": _fixed("the margin that the broker, asked before the entry is sent, wants for it"),
    "strike": lambda words: f"the strike of {words.given('of')}",
    "dte": _fixed("the days to expiry"),
    "cost": lambda words: f"the cost of closing{words.some_legs}{words.at_natural}",
    "value": lambda words: f"what closing{words.some_legs} brings{words.at_natural}",
    "profit": lambda words: f"the profit{words.of_legs}{words.at_natural}",
    "loss": lambda words: f"the loss{words.of_legs}{words.at_natural}",
    "give_back": lambda words: f"what was given back of the best profit{words.of_legs}{words.at_natural}",
    "breach": lambda words: f"the strike of {words.one_leg()}",
    "leg_delta": lambda words: f"the absolute delta of {words.one_leg()}",
    "leg_gamma": lambda words: f"the gamma of {words.one_leg()}",
    "leg_theta": lambda words: f"the theta a day of one contract of {words.one_leg()}",
    "leg_vega": lambda words: f"the vega of one contract of {words.one_leg()}",
    "position_delta": _fixed("the delta of one structure in shares"),
    "position_gamma": _fixed("the gamma of one structure in shares a point"),
    "position_theta": _fixed("the theta a day of one structure"),
    "position_vega": _fixed("the vega of one structure"),
    "buying_power": _fixed("the account's buying power"),
    "net_liquidation": _fixed("the account's net liquidation value"),
    "bot": lambda words: f"the bot {words.given('called')}",
    "last_exit": lambda words: f"the last exit of {words.given('called')} today",
    "webhook": lambda words: f"a web hook {words.given('name')}",
    "net_delta": lambda words: f"the bot's delta{words.of_symbol} in shares, the entry included,",
    "net_gamma": lambda words: f"the bot's gamma{words.of_symbol} in shares a point, the entry included,",
    "net_theta": _fixed("the bot's theta a day, the entry included,"),
    "net_vega": _fixed("the bot's vega a point of volatility, the entry included,"),
    "worst_case": _fixed("what the bot could lose, the entry included,"),
    "time_in_trade": _fixed("the time since the first fill"),
    "sessions_in_trade": _fixed("the sessions since the day of entry"),
}
"""Every measure of the vocabulary; a test asks for each."""


def phrase(call: Call, cast: NamingContext = NOBODY) -> str:
    """Return what a measure with its arguments is called: `the open's expected move`, `VIX`, `SPX`."""
    found = PHRASES.get(call.measure)
    return found(MeasureText(call, cast)) if found is not None else f"the {call.measure.replace('_', ' ')}"
