"""Backtests: the production turn over past sessions, with a simulated broker, and what came of it."""
