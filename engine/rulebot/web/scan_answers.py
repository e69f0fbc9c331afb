"""What `/api/scan` answers: the last scan as its file has it, under the same names (docs/scan.md)."""

from pydantic import BaseModel


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


class LegTold(BaseModel):
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
    legs: list[LegTold]
    levels: dict[str, float]
    commission: float | None
    covered: bool


class PreviewTold(BaseModel):
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
    legs: list[LegTold]
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
