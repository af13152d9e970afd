"""Judges: pure functions of a history, each with one question."""
