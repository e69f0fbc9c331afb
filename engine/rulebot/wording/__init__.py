"""Words for the numbers and rules of a plan."""
