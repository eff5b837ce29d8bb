"""Units of work, and who runs them: this machine's processes or a cluster's."""
