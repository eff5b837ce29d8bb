"""Training of the burst networks in `restorers.learned`."""
