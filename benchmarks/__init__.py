"""Speed and memory of the toolkit's parts, each a module to run with `python -m`."""
