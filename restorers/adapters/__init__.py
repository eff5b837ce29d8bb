"""Bridges to restoration networks that live in other packages."""
