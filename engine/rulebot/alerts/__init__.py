"""Who is told what, and when: an outbox of its own, read from the store, that outlives what sends it."""
