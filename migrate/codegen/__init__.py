"""A v1 model as a Python script: a Keras function with loops where the config repeated itself."""

from __future__ import annotations

from migrate.codegen.generate import generate
from migrate.codegen.statements import CodegenError

__all__ = ["CodegenError", "generate"]
