"""Interactive Brokers through unmodified ib_async, used as a codec."""
