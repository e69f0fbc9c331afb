"""What a measure is: its definition, and what its formula reads at one instant."""
