"""Recordings: everything that entered the engine's turns, in files that outlive a crash and can be replayed."""
