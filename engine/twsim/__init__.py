"""A pretend world: market, exchange and the TWS protocol on a socket."""
