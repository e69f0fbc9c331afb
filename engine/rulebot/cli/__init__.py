"""The command line: shows records and leaves requests; it never trades itself."""
