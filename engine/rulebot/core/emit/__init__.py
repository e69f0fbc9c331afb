"""Orders sent, changed and cancelled."""
