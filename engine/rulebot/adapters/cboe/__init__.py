"""Cboe's delayed quotes: one file for each underlying, some fifteen minutes old. For looking, never for trading."""
