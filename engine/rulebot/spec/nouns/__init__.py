"""The nouns of a spec: what the YAML says, typed, each with the path where it stands."""
