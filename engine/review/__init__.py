"""What makes a spec reviewable: its meaning, its changes and its problems in words."""
