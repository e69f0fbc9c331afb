"""The operator's desk on a page: what a store and a running engine show, and requests left for that engine."""
