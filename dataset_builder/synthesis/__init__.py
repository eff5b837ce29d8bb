"""Synthetic bursts: parameters are sampled as plain data first, pixels are rendered from them second."""
