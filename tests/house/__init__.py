"""The figures of the code base that docs/architecture.md shows: `python -m tests.house` prints them."""
