"""The TensorFlow 2 platform: data, discretizers, calibration, layers, training and serving.

Importing this package loads nothing; import the module you need, for example
``deepbird_v2.data`` (NumPy only) or ``deepbird_v2.layers`` (TensorFlow).
"""
