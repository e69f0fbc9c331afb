"""Rules by arrays: at which instants of a past session a test may be true at all."""
