"""The nouns of an options desk as frozen values. The lowest layer: imports no other package of rulebot."""
