"""Torch's tensor and storage classes and the NumPy types of their elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

__all__ = ["ELEMENTS", "ElementClass", "cpu_twin", "storage_class", "tensor_class"]

_TYPES: Final = {
    "Byte": np.uint8,
    "Char": np.int8,
    "Short": np.int16,
    "Int": np.int32,
    "Long": np.int64,
    "Half": np.float16,
    "Float": np.float32,
    "Double": np.float64,
}
# A device class without a type name holds floats: torch.CudaTensor, torch.ClTensor.
_DEVICES: Final = ("Cuda", "Cl")


@dataclass(frozen=True, slots=True)
class ElementClass:
    """A tensor or storage class.

    Attributes:
        is_tensor: a storage otherwise.
        dtype: of the elements, little-endian.
        is_long: elements are C longs, whose size in the file is the file's size of long.
        partner: the storage class of a tensor class, and the reverse.
        cpu: the class of the same elements without a GPU.
    """

    is_tensor: bool
    dtype: np.dtype[Any]
    is_long: bool
    partner: str
    cpu: str


def _classes() -> dict[str, ElementClass]:
    names = {name: name for name in _TYPES}
    for device in _DEVICES:
        names[device] = "Float"
        names |= {device + name: name for name in _TYPES}
    classes = {}
    for name, element in names.items():
        dtype = np.dtype(_TYPES[element]).newbyteorder("<")
        for form, other in (("Tensor", "Storage"), ("Storage", "Tensor")):
            classes[f"torch.{name}{form}"] = ElementClass(
                is_tensor=form == "Tensor",
                dtype=dtype,
                is_long=element == "Long",
                partner=f"torch.{name}{other}",
                cpu=f"torch.{element}{form}",
            )
    return classes


ELEMENTS: Final = _classes()
_BY_DTYPE: Final = {np.dtype(dtype): name for name, dtype in _TYPES.items()}


def cpu_twin(class_name: str) -> str:
    """The class of the same elements without a GPU; any other class name is returned as it is.

    ``torch.CudaTensor`` -> ``torch.FloatTensor``,
    ``torch.CudaLongStorage`` -> ``torch.LongStorage``
    """
    element = ELEMENTS.get(class_name)
    return element.cpu if element else class_name


def tensor_class(dtype: np.dtype[Any]) -> str | None:
    """The CPU tensor class of a NumPy type, or None where Torch has none."""
    name = _BY_DTYPE.get(dtype.newbyteorder("="))
    return f"torch.{name}Tensor" if name else None


def storage_class(dtype: np.dtype[Any]) -> str | None:
    """The CPU storage class of a NumPy type, or None where Torch has none."""
    name = _BY_DTYPE.get(dtype.newbyteorder("="))
    return f"torch.{name}Storage" if name else None
