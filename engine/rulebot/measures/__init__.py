"""The measures, a family in each file; `registry` is all of them."""
