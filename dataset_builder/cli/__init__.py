"""The command line: one module per command; heavy imports happen when a command runs, not when help is shown."""
