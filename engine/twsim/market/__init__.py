"""The simulated market: what exists, how it moves, what it is quoted at."""
