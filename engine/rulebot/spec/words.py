"""Words that no leg and no let may be called: those of the language, also where this version does not have them yet.

Whoever names a leg today shall not find his spec broken when the word arrives.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MEASURES = _words(
    """spot vix vix9d vix1d vix3m vix_change move vix_spike spx_spy_ratio gap day_range opening_range iv rv iv_over_rv
    iv_rank iv_percentile expected_move skew put_call_volume put_call_imbalance option_volume
    volume_rank crowding breadth sma ema rsi adx vwap trend no_event event
    time session quote_width volume open_interest credit debit max_risk return_on_risk probability_of_profit
    probability_in_the_money margin cost value profit loss give_back breach strike leg_delta leg_gamma leg_theta
    leg_vega position_delta position_gamma position_theta position_vega time_in_trade sessions_in_trade dte
    shares_held cost_basis model buying_power net_liquidation net_delta net_gamma net_theta net_vega
    worst_case compliant_sessions sharpe bot last_exit webhook"""
)
GRAMMAR = _words(
    """all any not expr and or abs min max round true false unknown above at_least below at_most between outside beyond
    is name confirm max_age enabled armed_by close roll order resting grace repeat any_price of at by within take class
    cycle
    choose require if_held ratio quantity universe target stop at_expiry settle open mid natural market spot_within
    spot_beyond short_legs long_legs each_side each_short open_legs put_side call_side legs shares call put buy sell
    expiry
    delta premium side_credit otm let parameters extends entry exits exit_order risk protect max_unprotected filled
    unfilled hold exit nearest cancel unwind again patient normal urgent else null rank highest lowest symbols models"""
)
RESERVED = MEASURES | GRAMMAR

KEYS_ELSEWHERE = _words("""method bars live require overwrite""")
"""Keys that may be taken for measures, each with a place of its own."""
KEYS_TO_COME = {
    ("again", "with"): "another spec waits for this one: 'last_exit: {called: NAME, is: stop}' under its own 'when'"
}
"""Keys, with the one that they stand under, that the language has and this version has not; and what says the same."""
SPELT_BEFORE = {
    ("at_daily_loss", "close"): "write 'at_daily_loss: {close: all}'",
    ("at_daily_loss", "stop_entries"): "leave it out, or write 'at_daily_loss: {close: none}'",
}
"""Keys with a word that they took before, and how that is written."""
_SIDE_AND_RIGHT = "'sell: put' and 'buy: call' say side and right in one"
WORDS_OF_OTHERS = {
    "action": _SIDE_AND_RIGHT,
    "allocation": "a part of the account is 'quantity: {max_loss: 0.05x net_liquidation, at_most: 10}'",
    "blackout": "'no_event: [CPI, my_days]' under 'when'; days of your own: 'rulebot events import'",
    "days_of_week": "'days: [mon, wed]'",
    "long": "what is bought is 'buy: put' or 'buy: call'",
    "max_trades": "'per_day' positions in a session, 'max_open' at once",
    "right": _SIDE_AND_RIGHT,
    "short": "what is sold is 'sell: put' or 'sell: call'",
    "side": _SIDE_AND_RIGHT,
}
"""Words of other programs that are no keys here, and what says the same."""
MEASURES_OF_OTHERS = {
    "delta": "of a leg that is 'leg_delta', of the whole structure 'position_delta'",
    "earnings": "'event: {of: [earnings], before: 1d}', or 'no_event' with the same",
    "gamma": "of a leg that is 'leg_gamma', of the whole structure 'position_gamma'",
    "gamma_exposure": "nothing here tells it; another program may send it: 'webhook'",
    "gex": "nothing here tells it; another program may send it: 'webhook'",
    "moving_average": "'sma' or 'ema', as in 'spot: {above: sma_20}' with 'let: {sma_20: {sma: {window: 20}}}'",
    "premium": "of the structure that is 'credit', or 'debit' where it is bought",
    "profit_target": "'target: {profit: 50%}'",
    "stop_loss": "'stop: {loss: 200%}' buys 1.00 back at 3.00, 'stop: {cost: 2x credit}' at 2.00",
    "take_profit": "'target: {profit: 50%}'",
    "theta": "of a leg that is 'leg_theta', of the whole structure 'position_theta'",
    "trailing_stop": "'stop: {give_back: 10%}', with 'armed_by: {profit: {at_least: 25%}}' from a profit on",
    "vega": "of a leg that is 'leg_vega', of the whole structure 'position_vega'",
}
"""The same, where a measure is owed."""
BOUNDED = {
    "delta": "nearest to 0.12 and no more than 0.02 off is 'delta: 0.12' with 'within: 0.02' beside it",
    "premium": "from 1.00 to 2.00 is 'premium: 1.50' with 'within: 0.50' beside it",
    "side_credit": "from 1.00 to 2.00 is 'side_credit: 1.50' with 'within: 0.50' beside it",
}
"""How a selector of strikes is held between two bounds: it takes one of them only."""
