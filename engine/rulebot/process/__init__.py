"""The process of an engine: its settings, service manager, watchdog, log file and connection attempts."""
