"""Planted faults turn exactly the right questions red, on a real cluster."""
