"""Sessions of simple bots by arrays: most minutes are ruled out at once, the rest judged by the engine's own rules."""
