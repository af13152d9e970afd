"""Reporters: results in, text out. They read and decide nothing."""
