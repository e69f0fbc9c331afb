"""How near past markets come to what was published: `python -m benchmarks.fidelity FOLDER`."""
