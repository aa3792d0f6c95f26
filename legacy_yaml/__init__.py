"""The v1 YAML dialect: text in, a typed config or every problem of the text out."""

from __future__ import annotations

from legacy_yaml.config import (
    Calibration,
    Config,
    Criterion,
    Data,
    Discretizer,
    Layer,
    Optimization,
    Split,
)
from legacy_yaml.extension import build_registry, load_extension
from legacy_yaml.problems import ConfigError, Mark, Problem
from legacy_yaml.registry import LayerClass, Param, Registry
from legacy_yaml.schema import load, loads

__all__ = [
    "Calibration",
    "Config",
    "ConfigError",
    "Criterion",
    "Data",
    "Discretizer",
    "Layer",
    "LayerClass",
    "Mark",
    "Optimization",
    "Param",
    "Problem",
    "Registry",
    "Split",
    "build_registry",
    "load",
    "load_extension",
    "loads",
]
