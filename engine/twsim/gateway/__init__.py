"""The TWS protocol on a TCP socket, in front of the simulated exchange."""
