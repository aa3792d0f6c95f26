"""Comparison of two sets of outputs, one stage a file."""
