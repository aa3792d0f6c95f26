"""What every oracle module is: Torch's ``nn.Module`` in NumPy.

An :class:`Op` has parameters, a forward and a backward that mean what Torch's mean, in the
arithmetic type of the model. A Torch tensor is an ``ndarray``, a Torch table a ``list``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from migrate.extension import load_installed
from migrate.graph import PARAMETER_FIELDS, USUAL_PARAMETERS, Module, tensor_key, use
from verify.oracle.rng import Generator

__all__ = ["Array", "Env", "Op", "OracleError", "op", "registered"]

Array = np.ndarray[Any, Any]
_OPS: dict[str, type[Op]] = {}
_T = TypeVar("_T", bound="type[Op]")


class OracleError(ValueError):
    """The oracle cannot run a module; says which and why."""


def op(*class_names: str) -> Callable[[_T], _T]:
    """Register an :class:`Op` for Torch classes; a second one for a class is an error."""

    def register(cls: _T) -> _T:
        for name in class_names:
            if name in _OPS:
                raise OracleError(f"two oracles for {name}: {_OPS[name].__name__}, {cls.__name__}")
            _OPS[name] = cls
        return cls

    return register


def registered() -> dict[str, type[Op]]:
    """Torch class → oracle class."""
    return dict(_OPS)


class Env:
    """What the modules of one model share: mode, random stream, arrays and their gradients.

    Args:
        training: Torch's ``train`` flag of every module.
        seed: of Torch's generator; None draws no numbers until somebody asks.
        dtype: run in this type in place of the model's own (a float64 reference).
    """

    def __init__(
        self,
        training: bool = False,
        seed: int | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        self.training = training
        self.generator = Generator(seed if seed is not None else 0)
        self.dtype = dtype
        self._arrays: dict[object, Array] = {}
        self._grads: dict[object, Array] = {}
        self._ops: dict[int, Op] = {}
        self.trace: dict[str, tuple[Any, Any]] | None = None

    def build(self, module: Module) -> Op:
        """The op of a module; one module is one op however often it occurs."""
        known = self._ops.get(id(module))
        if known is None:
            cls = _OPS.get(module.class_name)
            if cls is None and load_installed():
                cls = _OPS.get(module.class_name)
            if cls is None:
                close = difflib.get_close_matches(module.class_name, _OPS, 1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise OracleError(f"{module}: no oracle for {module.class_name}{hint}")
            known = self._ops[id(module)] = cls(module, self)
            self._watch(known)
        return known

    def _watch(self, op: Op) -> None:
        """Note what the op takes and gives whenever ``trace`` is a dict.

        An op that calls itself for the entries of a table is noted once, for the whole.
        """
        forward, inside = op.forward, False

        def traced(x: Any) -> Any:
            nonlocal inside
            if inside or self.trace is None:
                return forward(x)
            inside = True
            try:
                y = forward(x)
            finally:
                inside = False
            self.trace[use(op.node.path, self.trace)] = (x, y)
            return y

        op.forward = traced  # type: ignore[method-assign]  # every call passes here, whoever calls

    def array(self, module: Module, name: str) -> Array:
        """A writable copy of a tensor; modules that share a tensor share the copy."""
        key = tensor_key(module.tensors[name])
        if key not in self._arrays:
            source = module.array(name)
            kind = self.dtype if self.dtype is not None and source.dtype.kind == "f" else None
            self._arrays[key] = np.array(source, dtype=kind)
        return self._arrays[key]

    def grad(self, module: Module, name: str) -> Array:
        """The gradient buffer of a parameter, shared where Torch's buffer was shared."""
        buffer = module.tensors.get(f"grad{name[:1].upper()}{name[1:]}")
        shared = buffer is not None and buffer.size == module.tensors[name].size
        owner = buffer if buffer is not None and shared else module.tensors[name]
        key = tensor_key(owner)
        if key not in self._grads:
            self._grads[key] = np.zeros_like(self.array(module, name))
        return self._grads[key]


class Op:
    """One module of the oracle.

    Subclasses define :meth:`forward` and :meth:`backward`; both take and return what Torch's do.
    ``backward`` adds to ``self.grads`` in place. What backward needs of forward is kept on
    ``self``, as Torch does, so backward follows the forward of the same input.

    Attributes:
        node: the module.
        children: ops of the child modules.
        params: parameter name → array (writable, possibly shared).
        grads: parameter name → accumulated gradient.
    """

    parameter_names: ClassVar[tuple[str, ...] | None] = None

    def __init__(self, node: Module, env: Env) -> None:
        self.node = node
        self.env = env
        self.children = [env.build(child) for child in node.children]
        names = PARAMETER_FIELDS.get(node.class_name, USUAL_PARAMETERS)
        present = [n for n in names if n in node.tensors and node.tensors[n].size]
        self.params: dict[str, Array] = {n: env.array(node, n) for n in present}
        self.grads: dict[str, Array] = {n: env.grad(node, n) for n in present}
        self.setup()

    def setup(self) -> None:
        """Read the module's fields once."""

    @property
    def training(self) -> bool:
        """Torch's ``train`` flag."""
        return self.env.training

    def forward(self, x: Any) -> Any:
        """Torch's ``updateOutput``."""
        raise OracleError(f"{self.node}: forward is not defined")

    def backward(self, x: Any, gy: Any) -> Any:
        """Torch's ``backward``: gradient of the input; parameter gradients accumulate."""
        raise OracleError(f"{self.node}: backward is not defined")

    def parameters(self) -> list[tuple[Array, Array]]:
        """(parameter, gradient) pairs in the order of Torch's ``parameters()``."""
        pairs = [(self.params[name], self.grads[name]) for name in self.params]
        for child in self.children:
            pairs += child.parameters()
        return pairs
