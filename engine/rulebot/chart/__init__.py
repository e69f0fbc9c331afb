"""Decisions of a bot on a chart: what is drawn is read from a store; as SVG for pages, as a script for TradingView."""
