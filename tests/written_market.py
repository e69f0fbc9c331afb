"""One small market of quotes, and how each layout of files writes it."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from math import erf, log, sqrt
from pathlib import Path
from typing import NamedTuple

import polars as pl

DAYS = (date(2024, 3, 4), date(2024, 3, 5), date(2024, 3, 6))
EXPIRIES = (date(2024, 3, 8), date(2024, 3, 15))
STRIKES = range(5000, 5260, 20)


class Quote(NamedTuple):
    """A quote at 15:45; `put` of the same strike and expiry stands in the next one."""

    day: date
    level: float
    expiry: date
    right: str
    strike: int
    bid: float
    ask: float


def market(symbol_level: float = 5130.0) -> list[Quote]:
    """Return the quotes of all sessions: calls and puts by Black at 14 %."""
    found = []
    for number, day in enumerate(DAYS):
        level = symbol_level + 10.0 * number
        for expiry in EXPIRIES:
            for strike in STRIKES:
                for right in "CP":
                    mid = _black(level, strike, (expiry - day).days / 365.0, right)
                    bid = max(round(mid - 0.1, 2), 0.0)
                    found.append(Quote(day, level, expiry, right, strike, bid, round(bid + 0.2, 2)))
    return found


def _black(level: float, strike: float, years: float, right: str) -> float:
    deviation = 0.14 * sqrt(years)
    d1 = log(level / strike) / deviation + deviation / 2
    sign = 1.0 if right == "C" else -1.0
    below, below2 = ((1 + erf(sign * d / sqrt(2))) / 2 for d in (d1, d1 - deviation))
    return sign * (level * below - strike * below2)


def pairs(quotes: list[Quote]) -> Iterator[tuple[Quote, Quote]]:
    """Yield each call with the put of its strike."""
    return zip(quotes[::2], quotes[1::2], strict=True)


def osi(quote: Quote) -> str:
    return f"SPXW{quote.expiry:%y%m%d}{quote.right}{quote.strike * 1000:08d}"


def word(quote: Quote) -> str:
    return "call" if quote.right == "C" else "put"


def table(folder: Path, name: str, header: str, rows: Iterator[str]) -> Path:
    file = folder / name
    file.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return file


# --- Layouts. Each writer returns the file that it has written.


def optionsdx(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "[QUOTE_UNIXTIME], [QUOTE_READTIME], [QUOTE_DATE], [QUOTE_TIME_HOURS], [UNDERLYING_LAST], [EXPIRE_DATE], "
        "[EXPIRE_UNIX], [DTE], [C_DELTA], [C_VOLUME], [C_SIZE], [C_BID], [C_ASK], [STRIKE], [P_BID], [P_ASK], [P_DELTA]"
    )
    rows = (
        f"0, {c.day} 15:45, {c.day}, 15.75, {c.level:.6f}, {c.expiry}, 0, 4.0, , 1.0, 1 x 2, {c.bid:.6f}, {c.ask:.6f}, "
        f"{c.strike:.6f}, {p.bid:.6f}, {p.ask:.6f}, "
        for c, p in pairs(quotes)
    )
    return table(folder, "spx_eod_202403.txt", header, rows)


def cboe_eod(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "underlying_symbol,quote_date,root,expiration,strike,option_type,open,trade_volume,bid_size_1545,bid_1545,"
        "ask_size_1545,ask_1545,underlying_bid_1545,underlying_ask_1545,bid_eod,ask_eod,open_interest"
    )
    rows = (
        f"^SPX,{q.day},SPXW,{q.expiry},{q.strike}.000,{q.right},0,7,5,{q.bid},5,{q.ask},"
        f"{q.level - 0.5},{q.level + 0.5},1,2,9"
        for q in quotes
    )
    return table(folder, "UnderlyingOptionsEODQuotes_2024-03.csv", header, rows)


def cboe_intervals(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "underlying_symbol,quote_datetime,root,expiration,strike,option_type,open,trade_volume,bid_size,bid,ask_size,ask,"
        "underlying_bid,underlying_ask,implied_underlying_price,active_underlying_price,implied_volatility"
    )
    rows = (
        f"^SPX,{q.day} 15:45:00,SPXW,{q.expiry},{q.strike}.000,{q.right},0,7,5,{q.bid},5,{q.ask},"
        f"0,0,{q.level},{q.level},0.14"
        for q in quotes
    )
    return table(folder, "intervals.csv", header, rows)


def historicaloptiondata(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "underlying,underlying_last, exchange,optionroot,optionext,type,expiration,quotedate,strike,last,bid,ask,"
        "volume,openinterest,impliedvol,delta,gamma,theta,vega,optionalias"
    )
    rows = (
        f"SPX,{q.level},*,{osi(q)},,{word(q)},{q.expiry:%m/%d/%Y},{q.day:%m/%d/%Y},{q.strike},"
        f"0,{q.bid},{q.ask},0,5,0.14,,,,,{osi(q)}"
        for q in quotes
    )
    return table(folder, "options_202403.csv", header, rows)


def discountoptiondata(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "UnderlyingSymbol,UnderlyingPrice,Flags,OptionSymbol    ,Type,Expiration,DataDate  ,Strike,Last,Bid ,Ask  ,"
        "Volume,OpenInterest,IVMean"
    )
    rows = (
        f"SPX             ,{q.level}         ,*    ,{osi(q)} ,{word(q)},{q.expiry:%m/%d/%Y},"
        f"{q.day:%m/%d/%Y},{q.strike}   ,0   ,{q.bid} ,{q.ask} ,0     ,0   ,0.14"
        for q in quotes
    )
    return table(folder, "SPX_2024.csv", header, rows)


def orats(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "ticker,tradeDate,expirDate,dte,strike,stockPrice,callVolume,callOpenInterest,callBidPrice,callAskPrice,"
        "putBidPrice,putAskPrice,delta"
    )
    rows = (
        f"SPX,{c.day},{c.expiry},5,{c.strike},{c.level},1,2,{c.bid},{c.ask},{p.bid},{p.ask}," for c, p in pairs(quotes)
    )
    return table(folder, "orats.csv", header, rows)


def orats_smv(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "ticker,cOpra,pOpra,stkPx,expirDate,yte,strike,cVolu,cOi,pVolu,pOi,cBidPx,cAskPx,pBidPx,pAskPx,delta,trade_date"
    )
    rows = (
        f"SPX,SPXW  {osi(c)[4:]},SPXW  {osi(p)[4:]},{c.level},{c.expiry.month}/{c.expiry.day}/2024,0.04,{c.strike}.00,"
        f"1,2,3,4,{c.bid},{c.ask},{p.bid},{p.ask},,{c.day.month}/{c.day.day}/2024"
        for c, p in pairs(quotes)
    )
    return table(folder, "ORATS_SMV_Strikes_20240304.csv", header, rows)


def orats_minutes(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "ticker,tradeDate,expirDate,dte,strike,stockPrice,callBidPrice,callAskPrice,putBidPrice,putAskPrice,delta,"
        "snapShotEstTime"
    )
    rows = (
        f"SPX,{c.day},{c.expiry},5,{c.strike},{c.level},{c.bid},{c.ask},{p.bid},{p.ask},,1545" for c, p in pairs(quotes)
    )
    return table(folder, "SPX_202403041545.csv", header, rows)


def cboe_without_levels(folder: Path, quotes: list[Quote]) -> Path:
    """Write levels of 0, as for an index that is not licensed."""
    file = cboe_intervals(folder, quotes)
    lines = [line.split(",") for line in file.read_text("utf-8").splitlines()]
    bare = (",".join([*cells[:14], "0", "0", *cells[16:]]) for cells in lines[1:])
    return table(folder, "unlicensed.csv", ",".join(lines[0]), bare)


def alpha_vantage(folder: Path, quotes: list[Quote]) -> Path:
    rows = [
        {
            "contractID": osi(q),
            "symbol": "SPX",
            "expiration": f"{q.expiry}",
            "strike": f"{q.strike:.2f}",
            "type": "call" if q.right == "C" else "put",
            "bid": f"{q.bid:.2f}",
            "ask": f"{q.ask:.2f}",
            "open_interest": "4",
            "date": f"{q.day}",
        }
        for q in quotes
    ]
    file = folder / "historical.json"
    file.write_text(json.dumps({"endpoint": "Historical Options", "message": "success", "data": rows}), "utf-8")
    return file


def dolt(folder: Path, quotes: list[Quote]) -> Path:
    header = "date,act_symbol,expiration,strike,call_put,bid,ask,vol,delta,gamma,theta,vega,rho"
    rows = (
        f"{q.day},SPX,{q.expiry},{q.strike:.2f},{word(q).capitalize()},{q.bid:.2f},{q.ask:.2f},0.1400,,,,,"
        for q in quotes
    )
    return table(folder, "option_chain.csv", header, rows)


def databento(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "ts_recv,ts_event,rtype,publisher_id,instrument_id,side,price,size,flags,bid_px_00,ask_px_00,bid_sz_00,ask_sz_00,"
        "bid_pb_00,ask_pb_00,symbol"
    )
    rows = (
        f"{q.day}T20:45:00.000000000Z,,195,30,1241515301,N,9223372036.854775807,0,0,{q.bid:.9f},{q.ask:.9f},5,5,1,1,"
        f"SPXW  {q.expiry:%y%m%d}{q.right}{q.strike * 1000:08d}"
        for q in quotes
    )
    return table(folder, "opra-pillar-20240304.cbbo-1m.csv", header, rows)


def thetadata_v2(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "root,expiration,strike,right,ms_of_day,bid_size,bid_exchange,bid,bid_condition,ask_size,ask_exchange,ask,"
        "ask_condition,date"
    )
    rows = (
        f"SPXW,{q.expiry:%Y%m%d},{q.strike * 1000},{q.right},56700000,5,7,{q.bid:.4f},50,5,7,{q.ask:.4f},50,"
        f"{q.day:%Y%m%d}"
        for q in quotes
    )
    return table(folder, "quotes.csv", header, rows)


def thetadata_v3(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "symbol,expiration,strike,right,timestamp,bid_size,bid_exchange,bid,bid_condition,ask_size,ask_exchange,ask,"
        "ask_condition"
    )
    rows = (
        f'"SPXW","{q.expiry}",{q.strike:.3f},"{word(q).upper()}",{q.day}T15:45:00.000,5,7,{q.bid},50,5,7,{q.ask},50'
        for q in quotes
    )
    return table(folder, "history_quote.csv", header, rows)


def thetadata_eod(folder: Path, quotes: list[Quote]) -> Path:
    header = (
        "symbol,expiration,strike,right,created,last_trade,open,high,low,close,volume,count,bid_size,bid_exchange,bid,"
        "bid_condition,ask_size,ask_exchange,ask,ask_condition"
    )
    rows = (
        f'"SPXW","{q.expiry}",{q.strike:.3f},"{word(q).upper()}",{q.day}T17:19:35.901,{q.day}T15:59:01.000,1,1,1,1,9,3,'
        f"5,7,{q.bid},50,5,7,{q.ask},50"
        for q in quotes
    )
    return table(folder, "history_eod.csv", header, rows)


def plain(folder: Path, quotes: list[Quote]) -> Path:
    """Write what a person makes by hand; the level is nowhere in it."""
    header = "date;symbol;expiry;strike;right;bid;ask"
    rows = (f"{q.day:%d.%m.%Y};SPX;{q.expiry:%d.%m.%Y};{q.strike};{q.right};{q.bid};{q.ask}" for q in quotes)
    return table(folder, "mine.csv", header, rows)


def with_times(folder: Path, quotes: list[Quote]) -> Path:
    header = "timestamp,symbol,expiry,strike,right,bid,ask,spot"
    rows = (
        f"{q.day}T20:45:00Z,I:SPX,{q.expiry:%b %d, %Y}".replace(", 2024", " 2024")
        + f",{q.strike},{'call' if q.right == 'C' else 'put'},{q.bid},{q.ask},{q.level}"
        for q in quotes
    )
    return table(folder, "times.csv", header, rows)


def parquet(folder: Path, quotes: list[Quote]) -> Path:
    frame = pl.DataFrame(
        {
            "quote_date": [q.day for q in quotes],
            "underlying_symbol": ["$SPX"] * len(quotes),
            "expiration": [q.expiry for q in quotes],
            "option_type": [q.right.lower() for q in quotes],
            "strike": [float(q.strike) for q in quotes],
            "bid": [q.bid for q in quotes],
            "ask": [q.ask for q in quotes],
            "underlying_price": [q.level for q in quotes],
        }
    )
    frame.write_parquet(folder / "chain_all.parquet")
    return folder / "chain_all.parquet"


WRITERS: tuple[Callable[[Path, list[Quote]], Path], ...] = (
    optionsdx,
    cboe_eod,
    cboe_intervals,
    historicaloptiondata,
    discountoptiondata,
    orats,
    orats_smv,
    orats_minutes,
    cboe_without_levels,
    alpha_vantage,
    databento,
    dolt,
    thetadata_v2,
    thetadata_v3,
    thetadata_eod,
    plain,
    with_times,
    parquet,
)
