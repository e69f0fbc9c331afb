"""Decision to Commands: priced on the tick, followed until done."""
