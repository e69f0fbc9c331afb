"""Past markets computed from daily bars and volatility indices: for years of which nobody has chains."""
