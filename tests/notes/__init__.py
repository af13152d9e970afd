"""The study notes' experiments happen, on a real cluster."""
