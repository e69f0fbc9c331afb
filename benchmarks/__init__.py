"""What rulebot costs, measured beside what others cost on the same machine in the same minutes."""
