"""A start after a stop or a crash: the state of the engine made again from its store."""
