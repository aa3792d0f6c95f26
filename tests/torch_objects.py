"""Torch objects made by hand, as a file would give them."""

import numpy as np

from migrate.t7.objects import Storage, Table, Tensor, TorchObject

KINDS = {np.dtype(np.float32): "Float", np.dtype(np.float64): "Double", np.dtype(np.int64): "Long"}


def tensor(values):
    """A contiguous tensor with a storage of its own."""
    values = np.ascontiguousarray(values)
    kind = KINDS[values.dtype]
    strides = tuple(s // values.itemsize for s in values.strides)
    storage = Storage(f"torch.{kind}Storage", values.reshape(-1))
    return Tensor(f"torch.{kind}Tensor", values.shape, strides, 0, storage, values.dtype)


def module(class_name, *children, **fields):
    """An ``nn`` object: arrays become tensors, children its ``modules``."""
    arrays = [value for value in fields.values() if isinstance(value, np.ndarray)]
    double = any(array.dtype == np.float64 for array in arrays) or any(
        child.get("_type") == "torch.DoubleTensor" for child in children
    )
    table = Table({"_type": "torch.DoubleTensor" if double else "torch.FloatTensor"})
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            table[name] = tensor(value)
        else:
            number = isinstance(value, int) and not isinstance(value, bool)
            table[name] = float(value) if number else value
    if children:
        table["modules"] = Table(dict(enumerate(children, 1)))
    return TorchObject(class_name, 1, table)


def linear(rng, inputs, outputs, kind="nn.Linear", dtype=np.float64, **fields):
    """A fully connected module with random parameters."""
    weight = rng.standard_normal((outputs, inputs)).astype(dtype)
    bias = rng.standard_normal(outputs).astype(dtype)
    return module(kind, weight=weight, bias=bias, **fields)
