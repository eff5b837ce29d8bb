"""Builds burst quality benchmarks: synthesis and ingest, labels, splits, card and audit, and the `buiqa` command."""
