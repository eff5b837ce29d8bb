"""Labels made again: under other noise, with fewer frames, and by what choosing frames gains."""
