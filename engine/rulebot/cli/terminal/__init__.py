"""What the terminal shows while bots run: the screen of `run`, and `top`."""
