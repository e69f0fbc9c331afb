"""The simulated broker: orders, fills, commissions, accounts, settlement."""
