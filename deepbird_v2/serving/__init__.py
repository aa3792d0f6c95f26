"""Serving: a model folder answers DataRecords, fast.

`deepbird_v2.serving.predictor` loads a model and chooses what runs it;
`deepbird_v2.serving.service` puts it behind a Thrift port. Importing this package loads neither
TensorFlow nor a model.
"""
