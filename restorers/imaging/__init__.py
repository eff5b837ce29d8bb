"""Colour, noise, mosaics and warps, as restorers share them."""
