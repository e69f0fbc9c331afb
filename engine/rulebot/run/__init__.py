"""The only loop, start-up as crash recovery, and the wiring of the worlds."""
