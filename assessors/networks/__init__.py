"""Assessors that are networks."""
