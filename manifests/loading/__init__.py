"""Bursts for training: an index, a reader, a data set of PyTorch, batches."""
