"""Renders people: a seed becomes a plan, units, shots and at last a capture."""
