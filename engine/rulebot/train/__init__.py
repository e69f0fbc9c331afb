"""Training of the models that conditions may name: samples of a backtest, splits in time, a file of plain numbers."""
