"""The kinds of real bursts, a file each: settings, which bursts there are, how they are read, what people said of them."""
