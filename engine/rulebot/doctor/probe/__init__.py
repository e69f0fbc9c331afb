"""What nobody is sure of about the broker's interface, asked of a paper account and held against the simulated one."""
