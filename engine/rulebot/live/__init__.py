"""A run, on paper or live: from start to stop, with the environment it runs in."""
