"""rulebot: options bots as YAML, validated, compiled and run to the letter."""
