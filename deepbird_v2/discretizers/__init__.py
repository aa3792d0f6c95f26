"""Discretizers: a continuous value becomes the id of its bin.

Here is the state, and what it does in NumPy; ``deepbird_v2.layers`` has the Keras layers, which
give the same ids.
"""
