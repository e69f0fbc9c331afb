"""What the REST interface answers: rows A11 and B7 of what was asked for, under the names they were asked by.

Money is dollars, prices are per share, times are those of New York, as in the views of the store (docs/store.md).
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException


class Health(BaseModel):
    """Whether this program is well. `status` is ok or failing; `why` says what fails.

    engine: waiting (for a gateway), starting, running, stopping, stopped or ended. is_connected: to the broker; null
    when no engine runs in this process.
    """

    status: str
    why: str = ""
    engine: str
    is_connected: bool | None = None


class BotStatus(BaseModel):
    """One bot: stopped, starting, running or stopping, and when its next entry window opens.

    next_scheduled_time: of a window that is open now and not used up, when it opened. quantity,
    compliant_sessions: of a bot whose quantity grows, what it enters now and how many sessions are in a row.
    """

    bot: str
    state: str
    next_scheduled_time: str | None
    quantity: int | None = None
    compliant_sessions: int | None = None


class LateData(BaseModel):
    """A symbol whose market data comes 10 to 15 minutes late, "" for several. bots: those that trade on it."""

    symbol: str
    bots: list[str]


class Status(BaseModel):
    """The state at a glance. is_connected: None when no engine reports it. mark: what must be shown beside all of it.

    figures: that another version made them, "" for figures of this one. state: stopped, waiting (for a gateway),
    starting, running or stopping.
    """

    is_trading: bool
    is_connected: bool | None
    trading: str
    state: str
    mark: str = ""
    figures: str = ""
    open_positions: int
    trades_today: int
    errors_today: int
    last_updated: str | None
    next_scheduled_time: str | None
    delayed_data: list[LateData] = []
    bots: list[BotStatus]


class OpenPosition(BaseModel):
    """One open position. status: ACTIVE; state: that of its lifecycle, open or exiting.

    on_hold: why nothing is sent for it, or only for a part of it, "" otherwise. unprotected: which short legs lack
    required protection, why and since when, "" for none. quantity: opened; open_quantity, structure: still open. as_of:
    time of current_price and current_pnl, New York, None before any: now where an engine in this process has sound
    prices, else the last snapshot.
    """

    trade_id: int
    position: str
    strategy_id: str
    structure: str
    symbol: str
    strike: float | None
    expiration: str | None
    dte: int | None
    quantity: int
    open_quantity: int
    entry_time: str | None
    entry_price: float | None
    current_price: float | None
    spy_strike: float | None
    spx_strike: float | None
    entry_credit: float | None
    current_pnl: float | None
    pending_commissions: int
    status: str
    state: str
    on_hold: str
    unprotected: str
    as_of: str | None


class PositionGreeks(BaseModel):
    """Greeks of one position: greek x contracts x 100, summed over its legs; None while they are not known.

    Of one on several underlyings delta and gamma are None: `underlyings` of `Greeks` has them apart.
    """

    trade_id: int
    strategy_id: str
    as_of: str | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None


class UnderlyingGreeks(BaseModel):
    """Greeks of all open positions on one underlying: greek x contracts x 100; None where unknown.

    beta: to SPX, by the engine's daily bars; None without them.
    """

    symbol: str
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    underlying_price: float | None
    beta: float | None


class Greeks(BaseModel):
    """Greeks of all open positions. as_of: time of the oldest. Unknown ones are None.

    total: sums of theta (dollars a day) and vega (dollars a point of volatility); delta and gamma of a single
    underlying, None for several, whose shares do not add up. dollars: across underlyings; delta in dollars (delta x
    price), gamma its change for a move of 1 % in each underlying (gamma x price^2 / 100). spx_delta: all deltas in SPX
    units: beta x delta x price / price of SPX. without_beta: underlyings without bars for a beta, so that spx_delta is
    None.
    """

    as_of: str | None
    total: dict[str, float | None]
    dollars: dict[str, float | None]
    spx_delta: float | None
    without_beta: list[str]
    underlyings: list[UnderlyingGreeks]
    positions: list[PositionGreeks]


class PositionRisk(BaseModel):
    """What one position makes at its target and at its stop, and its worst case at expiry; None where there is none."""

    position: str
    strategy_id: str
    max_profit: float | None
    max_loss: float | None
    worst_case: float | None


class Risk(BaseModel):
    """The whole book. buying_power_used: the part of net liquidation that is not available funds, in percent, by the
    broker's own figures.

    max_profit, max_loss: of the positions that have a target, or a stop; without_target and without_stop say how many
    have none and are not in it; None when all lack one. worst_case: None when that of one is not bounded.
    as_of: now where an engine runs in this process, else the oldest of the last snapshots.
    """

    as_of: str | None
    maintenance_margin: float | None
    buying_power_used: float | None
    max_profit: float | None
    max_loss: float | None
    without_target: int
    without_stop: int
    worst_case: float | None
    positions: list[PositionRisk]


class Trade(BaseModel):
    """One trade, open or closed. status: PENDING, ACTIVE (the view `trades` says OPEN), CLOSED or ERROR.

    pending_commissions: fills without a commission report; until they have one, final_pnl is provisional.
    """

    id: int
    strategy_id: str
    position: str
    structure: str
    trade_date: str | None
    quantity: int
    entry_time: str | None
    entry_price: float | None
    entry_credit: float | None
    exit_time: str | None
    exit_price: float | None
    exit_reason: str | None
    commissions: float | None
    final_pnl: float | None
    pending_commissions: int
    status: str


class Profit(BaseModel):
    """The day's profit; None while that of something open is not known. as_of: of when the oldest price in it is.

    It is None where no snapshot has the time of one. pending_commissions: fills without a commission report; until
    they have one, the profit is provisional.
    """

    date: str | None
    as_of: str | None
    realized_pnl: float | None
    unrealized_pnl: float | None
    total_pnl: float | None
    pending_commissions: int


class Period(BaseModel):
    """Net profit of one day, week (by its Monday) or month; provisional while pending_commissions of its fills are."""

    period: str
    trades_count: int
    net_pnl: float
    cumulative_pnl: float
    pending_commissions: int


class Account(BaseModel):
    """The account as the broker last reported it. shares: by symbol, after assignment and exercise.

    None where no engine of this process knows them; a store does not.
    """

    account_id: str
    net_liquidation: float | None
    total_cash: float | None
    available_funds: float | None
    buying_power: float | None
    maintenance_margin: float | None
    shares: dict[str, float] | None


class Market(BaseModel):
    """Levels. With no engine in this process they are those of the last marks of open positions."""

    spy_price: float | None
    spx_price: float | None
    vix: float | None
    spx_spy_ratio: float | None


class Performance(BaseModel):
    """The day against its limit.

    max_daily_loss: of the account document, else what all bots together may lose by limits of their own, None where
    one has none. risk_breached: the day has lost as much; None, as profit is, while that is not known. as_of: of when
    the oldest price in it is.
    """

    as_of: str | None
    daily_realized_pnl: float | None
    unrealized_pnl: float | None
    total_pnl: float | None
    pending_commissions: int
    max_daily_loss: float | None
    risk_breached: bool | None
    trades_count: int
    active_positions: int


def _whole_letters(given: str) -> str:
    """Return a text; JSON can write half a letter, which no store keeps."""
    if any("\ud800" <= each <= "\udfff" for each in given):
        raise ValueError("it holds half a letter")
    return given


Text = Annotated[str, AfterValidator(_whole_letters)]


def _not_empty(given: str) -> str:
    """Return a name; an empty one is that of an unset variable, and would mean all."""
    if not given:
        raise ValueError("it is empty: give a name, or leave it out")
    return given


Name = Annotated[Text, AfterValidator(_not_empty), Field(json_schema_extra={"minLength": 1})]
UNNAMED = Field(default_factory=str)
"""Placeholder of an omitted name; as a default, programs made from the schema would send it."""


class RequestBody(BaseModel):
    """The body of a request: an unknown field is refused, since ignoring it could widen the request."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_alone(cls, given: Any) -> Any:
        if isinstance(given, dict) and (unknown := [each for each in given if each not in cls.model_fields]):
            raise ValueError(unknown_words("field", unknown[0], cls.model_fields))
        return given


def unknown_words(kind: str, name: object, known: Iterable[str]) -> str:
    """Return the message about an unknown name: `no field 'bto' is known here; known are bot, position`."""
    names = ", ".join(sorted(known))
    return f"no {kind} '{str(name)[:60]}' is known here; {f'known are {names}' if names else 'none is'}"


class Ask(RequestBody):
    """The options of an action. bot: without one all are meant; position: which one to close."""

    bot: Name = UNNAMED
    position: Name = UNNAMED


class Values(RequestBody):
    """Parameters of a bot, as its spec would write them; "" goes back to what the file says."""

    bot: Name
    values: dict[Text, Text] = Field(min_length=1, max_length=100)


class Change(Values):
    """The same to be taken up. of: what a preview of them was held against; once that is another, nothing is."""

    of: Name = UNNAMED


class Preview(BaseModel):
    """What other values would change, in words. of: names what they were held against."""

    bot: str
    text: str
    of: str


class Edits(RequestBody):
    """Other numbers of a bot's text, by their paths (`exits[1].target.profit`). of: names the file as it was read."""

    bot: Name
    of: Name
    edits: dict[Text, Text] = Field(min_length=1, max_length=300)


class Number(BaseModel):
    """A number, time, percentage or amount of a spec. around: its line."""

    path: str
    line: int
    text: str
    around: str


class NumbersModel(BaseModel):
    """Every number of a bot's file. of: names its content; why: why nothing can be saved here, "" when it can."""

    bot: str
    file: str
    of: str
    why: str
    notes: list[str]
    numbers: list[Number]


class Trigger(RequestBody):
    """Which bot is to enter; without one it is the only one of the store.

    after: how many entries it has had, or was asked for, as the page says: with another number by now nothing is asked.
    row: of the last scan, or of the `scan` that is named: that structure is entered and no other, also for a bot that
    chooses among symbols.
    """

    bot: Name = UNNAMED
    scan: int | None = Field(default=None, ge=1, le=2**31)
    row: int | None = Field(default=None, ge=0, le=2**31)
    after: int | None = Field(default=None, ge=0, le=2**53)


class RequestAccepted(BaseModel):
    """An action that was left for the engine. engine_runs: else the next one does so first."""

    id: str
    message: str
    engine_runs: bool


class AlertModel(BaseModel):
    """An alert, and what became of it. grade: grave, warning, trade or digest; count: those in the same words."""

    id: int
    at: str
    grade: str
    bot: str
    text: str
    count: int
    acknowledged: bool
    deliveries: list[str]


class AcknowledgeRequest(RequestBody):
    """Which alert was seen; None means all, or all up to `until`: the newest one that a person has before him."""

    id: int | None = Field(default=None, ge=1, le=2**53)
    until: int | None = Field(default=None, ge=1, le=2**53)


class Acknowledged(BaseModel):
    """How many alerts were not seen before."""

    acknowledged: int
    message: str


class Refused(BaseModel):
    """Why something was not done, and what to do. fields: the message of each invalid number, by its path."""

    code: str
    message: str
    help: str = ""
    fields: dict[str, str] = {}


class NotFoundError(HTTPException):
    """No engine runs that could do it. Another key does not change that."""

    def __init__(self, message: str) -> None:
        super().__init__(409, message)


class ChangedError(HTTPException):
    """It has changed since a person looked at it."""

    def __init__(self, message: str) -> None:
        super().__init__(409, message)


class FieldsError(HTTPException):
    """Invalid numbers of a spec, each with its message."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(422, "; ".join(f"{path}: {message}" for path, message in fields.items()))
        self.fields = dict(fields)


class HelpfulError(HTTPException):
    """A refusal that knows what to do next."""

    def __init__(self, status: int, message: str, help: str) -> None:
        super().__init__(status, message)
        self.help = help


# --- What `/api/scan` answers


class ScanModel(BaseModel):
    """One scan. at: New York. world: paper, live or simulated; seconds by the market's clock."""

    id: int
    at: str
    world: str
    specs: list[str]
    structures: int
    seconds: float
    lines: int
    line_limit: int
    turns: int
    lines_taken: int
    lines_evicted: int
    notes: list[str]


class LegPreview(BaseModel):
    """One leg of a structure; bid and ask per share."""

    name: str
    side: str
    symbol: str
    trading_class: str
    right: str
    strike: str | None
    expiry: str | None
    ratio: int
    bid: float | None
    ask: float | None
    delta: float | None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None


class ScanRowModel(BaseModel):
    """One structure. holds: whether all conditions of its spec did, None while unknown; why: the first that did not."""

    bot: str
    symbol: str
    alternative: str
    structure: str
    expiry: str | None
    quantity: int | None
    price: float | None
    mid: float | None
    natural: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    dte: int | None
    iv: float | None
    iv_rank: float | None
    iv_percentile: float | None
    volume: float | None
    open_interest: float | None
    quote_width: float | None
    probability_of_profit: float | None
    probability_in_the_money: float | None
    return_on_risk: float | None
    crowding: float | None
    by: str
    value: float | None
    place: int
    taken: bool
    holds: bool | None
    why: str
    short: float | None
    data: str
    missing: dict[str, str]
    legs: list[LegPreview]
    levels: dict[str, float]
    commission: float | None
    covered: bool


class PreviewAnswer(BaseModel):
    """What a bot would trade now. source: who saw it; would_send: whether an entry by hand would leave now, None where
    no engine of this process says; answer: why, or why not. lacking: why there are no legs, or no price.

    Units: prices per share, + is received; best, worst (None: without a bound) and commission in dollars of the whole.
    """

    bot: str
    at: str
    source: str
    symbol: str
    alternative: str
    structure: str
    legs: list[LegPreview]
    quantity: int
    price: float | None
    mid: float | None
    natural: float | None
    commission: float | None
    best: float | None
    worst: float | None
    break_evens: list[float]
    is_delayed: bool
    lacking: str
    answer: str
    would_send: bool | None


class LastScan(BaseModel):
    """The last scan, and its rows, best first; None and no rows where nothing was scanned yet."""

    scan: ScanModel | None
    rows: list[ScanRowModel]
