"""Review: a spec for those who judge it: sentences, an example in prices, diagrams, its problems explained."""
