"""Whether a data set is what it claims to be."""
