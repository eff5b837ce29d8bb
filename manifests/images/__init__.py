"""Image files of a data set: pixels, headers, and what they look like."""
