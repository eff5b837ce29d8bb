"""Files that nobody vouches for, decoded to arrays."""
