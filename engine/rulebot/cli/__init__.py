"""The command line: shows what is recorded, posts operator events, never trades by itself."""
