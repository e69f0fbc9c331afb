"""Markets that are given to the simulated gateway: recorded days, and chains captured at a moment."""
