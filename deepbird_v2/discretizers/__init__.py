"""Discretizers: a continuous value becomes the id of its bin.

`DiscretizerCalibrator` makes one of data, `PreserveBinsDiscretizerCalibrator` makes it anew without
moving what a trained model relies on, `load` and `save` keep it in a file that needs no TensorFlow,
and `deepbird_v2.layers.discretizer.Discretizer` is the Keras layer that gives the same ids.
"""

from __future__ import annotations

from deepbird_v2.discretizers.accumulate import Collection
from deepbird_v2.discretizers.calibrator import DiscretizerCalibrator
from deepbird_v2.discretizers.errors import CalibrationDataError, StateError
from deepbird_v2.discretizers.file import load, save
from deepbird_v2.discretizers.preserve import PreserveBinsDiscretizerCalibrator
from deepbird_v2.discretizers.published_fit import PublishedCalibrator
from deepbird_v2.discretizers.search import Search
from deepbird_v2.discretizers.state import Bins, Discretizer
from deepbird_v2.discretizers.warm_start import warm_start

__all__ = [
    "Bins",
    "CalibrationDataError",
    "Collection",
    "Discretizer",
    "DiscretizerCalibrator",
    "PreserveBinsDiscretizerCalibrator",
    "PublishedCalibrator",
    "Search",
    "StateError",
    "load",
    "save",
    "warm_start",
]
