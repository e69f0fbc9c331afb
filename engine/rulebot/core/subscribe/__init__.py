"""Which contracts need market data."""
