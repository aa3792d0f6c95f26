"""What a converter has at hand: names, layers, layouts, weights."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from migrate.graph import Module, own_parameters, tensor_key, use
from migrate.registry import Converter, lookup
from migrate.weights import IDENTITY, Binding, Via, assign

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Context", "ConversionError"]

Axes = tuple[int, ...]
Array = np.ndarray[Any, Any]


class ConversionError(ValueError):
    """A module cannot be converted; says which and why."""


class Context:
    """State of one conversion.

    Args:
        dtype: floating type of the model, ``float32`` or ``float64``.
        features: for DataRecord models, the feature configuration (splits, names), if known.

    Attributes:
        bindings: every Torch tensor placed so far, by (module, field).
        used: (module, converter) in the order of conversion.
        records: the ragged Keras inputs of a DataRecord model, by name.
        batch: size of the example's leading dimension where the model leaves it open.
        entries: what each use of a module took, by name of the use, in whatever layout it has.
        taps: what each module gave, likewise; see :meth:`axes`.
        expanded: children of modules that make them as they run, by ``id``.
    """

    def __init__(self, dtype: str = "float32", features: Any = None) -> None:
        self.dtype = dtype
        self.features = features
        self.bindings: dict[tuple[int, str], Binding] = {}
        self.used: list[tuple[Module, Converter]] = []
        self.records: dict[str, Any] = {}
        self.batch: int | None = None
        self.entries: dict[str, Any] = {}
        self.taps: dict[str, Any] = {}
        self.expanded: dict[int, tuple[Module, ...]] = {}
        self._layers: dict[object, Any] = {}
        self._axes: dict[int, tuple[Any, Axes]] = {}
        self._moved: dict[tuple[int, Axes], tuple[Any, Any]] = {}
        self._origins: dict[int, tuple[Any, Any]] = {}
        self._order: dict[int, tuple[Any, Array]] = {}
        self._orders: dict[object, Array | None] = {}
        self._names: set[str] = set()

    # --- converting -----------------------------------------------------------------------

    def convert(self, module: Module, x: Any) -> Any:
        """Apply the converter of ``module`` to ``x``, in the data layout that it works in."""
        converter = lookup(module.class_name)
        self.used.append((module, converter))
        y = self._apply(converter, module, x)
        name = use(module.path, self.taps)
        self.entries[name], self.taps[name] = x, y
        return y

    def _apply(self, converter: Converter, module: Module, x: Any) -> Any:
        if converter.layout == "flat":
            return converter.function(self, module, x)
        if converter.layout != "any":
            x = self.torch_order(x)
        if converter.layout == "channels_last":
            return self._convert_channels_last(converter, module, x)
        if converter.layout == "any":
            return self._convert_any(converter, module, x)
        if converter.layout == "aware":
            return converter.function(self, module, x)
        return converter.function(self, module, self.torch_layout(x))

    def _convert_any(self, converter: Converter, module: Module, x: Any) -> Any:
        if isinstance(x, list):
            x = self.torch_order(x)
        found = {self.axes(leaf) for leaf in leaves(x)}
        if len(found) > 1:
            x, found = self.torch_layout(x), {()}
        y = converter.function(self, module, x)
        for leaf in leaves(y):
            self.mark(leaf, next(iter(found), ()))
            if id(x) in self._order:
                self._order[id(leaf)] = (leaf, self._order[id(x)][1])
        return y

    def _convert_channels_last(self, converter: Converter, module: Module, x: Any) -> Any:
        rank = converter.spatial_rank
        batched = len(x.shape) == rank + 2
        y = converter.function(self, module, self.channels_last(x, rank))
        if len(y.shape) == len(x.shape):
            self.mark(y, channels_last_axes(rank, batched))
        return y

    # --- data layout ----------------------------------------------------------------------

    def axes(self, x: Any) -> Axes:
        """How ``x`` was transposed from Torch's layout (as ``np.transpose``); () if it was not."""
        return self._axes[id(x)][1] if id(x) in self._axes else ()

    def mark(self, x: Any, axes: Axes) -> None:
        """Note that ``x`` holds Torch's value transposed by ``axes``."""
        if axes:
            self._axes[id(x)] = (x, axes)

    def axis(self, x: Any, torch_axis: int) -> int:
        """Where Torch's axis (0-based) is in ``x``."""
        axes = self.axes(x)
        return axes.index(torch_axis) if axes else torch_axis

    def torch_layout(self, x: Any) -> Any:
        """``x`` (or a list) in Torch's layout."""
        if isinstance(x, list):
            return [self.torch_layout(entry) for entry in x]
        x, axes = self.torch_order(x), self.axes(x)
        if not axes:
            return x
        y = self._transposed(x, tuple(int(i) for i in np.argsort(axes)))
        self._origins[id(y)] = (y, x)
        return y

    def order(self, x: Any) -> Array | None:
        """Which of Torch's features each of ``x`` is, [features]; None for Torch's own order."""
        return self._order[id(x)][1] if id(x) in self._order else None

    def torch_order(self, x: Any) -> Any:
        """``x`` (or a list) with flattened features in Torch's order."""
        import keras

        if isinstance(x, list):
            return [self.torch_order(entry) for entry in x]
        order = self.order(x)
        return x if order is None else keras.ops.take(x, np.argsort(order), axis=-1)

    def flattened(self, x: Any, y: Any) -> Any:
        """``y``, which is ``x`` in Torch's layout flattened to [N, features], without a transpose.

        If ``x`` had to be transposed first, what it was made of is flattened in its place, and the
        order of the features is noted: a ``nn.Linear`` that follows takes its weight's columns in
        that order.
        """
        import keras

        origin = self._origins.get(id(x))
        sizes = tuple(x.shape[1:])
        if origin is None or None in sizes or tuple(y.shape[1:]) != (prod(sizes),):
            return y
        axes = self.axes(origin[1])
        if axes[0] != 0:
            return y
        places = np.arange(prod(sizes)).reshape(sizes)
        order = places.transpose([a - 1 for a in axes[1:]]).reshape(-1)
        flat = keras.ops.reshape(origin[1], (-1, prod(sizes)))
        if np.any(np.diff(order) != 1):
            self._order[id(flat)] = (flat, order)
        return flat

    def ordered(self, module: Module, x: Any) -> tuple[Any, Array | None]:
        """Input features for a module that can take them in any order, and that order.

        Every use of the module gets the order of its first one, for its weight is laid out once.
        """
        import keras

        key, given = _identity(module), self.order(x)
        order = self._orders.setdefault(key, given)
        same = (
            given is None if order is None else given is not None and np.array_equal(given, order)
        )
        if not same:
            x = self.torch_order(x)
            x = x if order is None else keras.ops.take(x, order, axis=-1)
        return x, order

    def channels_last(self, x: Any, spatial_rank: int) -> Any:
        """A tensor with Torch's channel axis moved to the end; rank says whether it has a batch."""
        wanted = channels_last_axes(spatial_rank, len(x.shape) == spatial_rank + 2)
        if self.axes(x) == wanted:
            return x
        y = self._transposed(self.torch_layout(x), wanted)
        self.mark(y, wanted)
        return y

    def _transposed(self, x: Any, axes: Axes) -> Any:
        import keras

        key = (id(x), axes)
        if key not in self._moved:
            self._moved[key] = (x, keras.ops.transpose(x, axes))
        return self._moved[key][1]

    # --- layers and weights ---------------------------------------------------------------

    def name(self, module: Module, part: str = "") -> str:
        """A unique layer name made of the module's path."""
        base = (module.path or module.short_class) + (f".{part}" if part else "")
        name, n = base, 1
        while name in self._names:
            n += 1
            name = f"{base}_{n}"
        self._names.add(name)
        return name

    def layer(
        self, module: Module, make: Callable[..., Any], *args: Any, part: str = "", **kwargs: Any
    ) -> Any:
        """The Keras layer of a module, made on first use.

        Modules that are one object, or that share every parameter and running statistic, share
        the layer: their parameters stay one variable.
        """
        key = (_identity(module), part)
        if key not in self._layers:
            kwargs.setdefault("dtype", self.dtype)
            self._layers[key] = make(*args, name=self.name(module, part), **kwargs)
        return self._layers[key]

    def bind(
        self,
        module: Module,
        name: str,
        variable: Any,
        via: Via = IDENTITY,
        trainable: bool = True,
        gradient_via: Via | None = None,
    ) -> None:
        """Fill ``variable`` with the module's tensor ``name``, once."""
        key = (id(module), name)
        if key in self.bindings:
            return
        source = module.array(name)
        path = f"{module.path}.{name}".lstrip(".")
        assign(variable, source, via, path)
        self.bindings[key] = Binding(path, variable, via, source.shape, trainable, gradient_via)


def channels_last_axes(spatial_rank: int, batched: bool) -> Axes:
    """The permutation from Torch's channels-first to channels-last."""
    if batched:
        return (0, *range(2, spatial_rank + 2), 1)
    return (*range(1, spatial_rank + 1), 0)


def leaves(x: Any) -> list[Any]:
    """The tensors of a tensor, or of nested lists of them."""
    return [leaf for entry in x for leaf in leaves(entry)] if isinstance(x, list) else [x]


def _identity(module: Module) -> object:
    parameters = [(p.name, tensor_key(p.tensor)) for p in own_parameters(module)]
    if not parameters:
        return id(module)
    running = [
        (name, tensor_key(t)) for name, t in module.tensors.items() if name.startswith("running_")
    ]
    return (module.class_name, *parameters, *sorted(running), _plain(module.fields))


def _plain(fields: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((k, v) for k, v in fields.items() if isinstance(v, bool | float | str)))
