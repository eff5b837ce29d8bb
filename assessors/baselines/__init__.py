"""Assessors that learn nothing from labels, and one that learns from measured features."""
