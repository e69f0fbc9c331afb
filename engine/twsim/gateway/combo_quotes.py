"""Quotes of combos: the natural price of the legs, which may be negative, and the sizes that can be had at once."""

from math import ceil, floor

from twsim.gateway.lines import MarketDataLine
from twsim.gateway.tick_text import NO_PRICE, PRICE, SIZE, SIZES, Piece, PrintedBoard, price_tail, size_tail


def natural(line: MarketDataLine, rows: PrintedBoard, leg_rows: list[int]) -> tuple[int, int, int, int]:
    """Return bid, ask (cents), bid size and ask size of buying the combo once; NO_PRICE where a leg has no quote.

    As at the broker (exchange/combo.py): shares dealt with options count per share, and a leg that is offered and not
    bid counts as bid at zero.
    """
    bid = ask = 0.0
    has_bid = has_ask = True
    bid_sizes: list[int] = []
    ask_sizes: list[int] = []
    bids, asks = rows.bids(), rows.asks()
    for leg, weight, row in zip(line.legs, line.weights, leg_rows, strict=True):
        sides = [divmod(bids[row], SIZES), divmod(asks[row], SIZES)]
        if sides[0][0] == NO_PRICE and sides[1][0] != NO_PRICE:
            sides[0] = (0, sides[1][1])
        if leg.action != "BUY":
            sides = [(_negative(price), size) for price, size in reversed(sides)]
        (low, low_size), (high, high_size) = sides
        has_bid, has_ask = has_bid and low != NO_PRICE, has_ask and high != NO_PRICE
        bid += low * weight
        ask += high * weight
        bid_sizes.append(low_size // max(leg.ratio, 1))
        ask_sizes.append(high_size // max(leg.ratio, 1))
    low, high = (floor(round(bid, 6)) if has_bid else NO_PRICE), (ceil(round(ask, 6)) if has_ask else NO_PRICE)
    return low, high, min(bid_sizes, default=0), min(ask_sizes, default=0)


def _negative(price: int) -> int:
    return price if price == NO_PRICE else -price


def combo_pieces(line: MarketDataLine, rows: PrintedBoard, leg_rows: list[int]) -> list[Piece]:
    """Return the changes of a combo's quote since it was last sent."""
    found = natural(line, rows, leg_rows)
    bid, ask, bid_size, ask_size = found
    old = line.sent
    line.sent = found
    pieces: list[Piece] = []
    if old[0::2] != (bid, bid_size):
        pieces += [(PRICE, price_tail(1, bid, max(bid_size, 1))), (SIZE, size_tail(0, _shown(bid, bid_size)))]
    if old[1::2] != (ask, ask_size):
        pieces += [(PRICE, price_tail(2, ask, max(ask_size, 1))), (SIZE, size_tail(3, _shown(ask, ask_size)))]
    return pieces


def _shown(cents: int, size: int) -> int:
    return 0 if cents == NO_PRICE else max(size, 1)
