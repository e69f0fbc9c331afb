"""Operator requests to a running engine: pause, resume, close, enter; and the box they are left in."""
