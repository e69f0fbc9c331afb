"""Entries decided, and the orders that carry them out."""
