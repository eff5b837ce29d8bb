"""Scenes that are drawn, not photographed: layers of leaves at several depths, and how a moving camera sees them."""
