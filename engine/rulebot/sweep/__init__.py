"""Sweeps: many variants of one bot over the same past sessions, side by side, and how much to believe of the best."""
