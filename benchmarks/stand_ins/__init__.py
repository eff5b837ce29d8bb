"""Stand-ins for public data sets, in their layouts, with tiny pictures: for tests and for `benchmarks.published`."""
