"""Rules evaluated against a view, and what is kept of them: readings, confirmations, misses."""
