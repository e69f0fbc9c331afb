"""Commands that work on recorded or historical market data: backtest, sweep, train, replay, scan, test, chaos."""
