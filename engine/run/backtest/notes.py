"""What a backtest notes in its store beside the records of the turn: `facts` records, told by their `what`."""

REGIME = "VIX"
"""The index whose first level of a session is noted, as `open`: results are told apart by it."""
HELD = "shares held"
"""Shares of the account at the end of a session, noted when they have changed."""
FINDING = "finding"
"""What was wrong with the data of a session: file, row, severity, text, and how often as the value."""
