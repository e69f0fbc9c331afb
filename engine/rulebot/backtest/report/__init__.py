"""The report of backtests: one HTML file that needs nothing else, with drawings, tables and the why of each trade."""
