"""Engines: anything that answers "outputs for these inputs"."""
