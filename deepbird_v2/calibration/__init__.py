"""Calibration: a score becomes a probability that counts come out right for."""
