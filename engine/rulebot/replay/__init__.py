"""Replay: the turns of a recorded day are repeated and compared with the recorded results."""
