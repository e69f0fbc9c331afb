"""What a person asks of a running engine: pause, resume, close, enter; and the box it is left in."""
