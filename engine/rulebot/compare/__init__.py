"""Two versions of a spec, or a bot and its shadow, side by side."""
