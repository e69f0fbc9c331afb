"""Alerts: who gets which, and when. An outbox, filled from the store, that survives the sending process."""
