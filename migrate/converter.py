"""Torch module in, Keras model out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from migrate.context import Context, ConversionError
from migrate.feed import feed, sources, to_numpy, unfeed
from migrate.graph import GraphError, Module, is_criterion, parameters, walk
from migrate.inputs import Dense, Plan, Records, plan
from migrate.records import attach_splits, find_features, takes_records
from migrate.registry import declared, missing_message
from migrate.source import load_module
from migrate.taps import Seam, resolve, seams, torch_layout
from migrate.ties import Ties, add_up, find_ties
from migrate.weights import Binding, WeightError

__all__ = ["Converted", "Report", "convert"]

# A Torch model's `_type` -> the floating type of its Keras twin.
DTYPES = {
    "torch.DoubleTensor": "float64",
    "torch.CudaDoubleTensor": "float64",
}


@dataclass(frozen=True)
class Report:
    """What a conversion did.

    Attributes:
        modules: (path, class, converter, restrictions) in the order of conversion.
        bindings: where every Torch tensor went.
        static_batch: the model takes only the example's batch size (a module computes with it).
        untied: paths of parameters that Torch shares and the model holds several times.
    """

    modules: tuple[tuple[str, str, str, str], ...]
    bindings: tuple[Binding, ...]
    static_batch: bool = False
    untied: tuple[tuple[str, ...], ...] = ()


@dataclass
class Converted:
    """A converted model, called as Torch calls it.

    Attributes:
        model: the ``keras.Model``.
        report: what the conversion did.
        module: the tree it came from.
        plan: the inputs.
        features: of a DataRecord model, if known.
        taps: path of a module → the Keras tensor(s) it gives, in Torch's layout.
        seams: path of a module → where its inputs and outputs are in the model, by name.
    """

    model: Any
    report: Report
    module: Module
    plan: Plan
    features: Any = None
    taps: dict[str, Any] = field(default_factory=dict)
    seams: dict[str, Seam] = field(default_factory=dict)
    _parameters: list[Binding] = field(default_factory=list)
    _ties: Ties = ()

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Torch's ``forward``.

        Args:
            inputs: Torch's form and layout: arrays, nested lists for tables, keys from 1;
                [input, target] for a criterion.
            training: training mode.

        Returns:
            Arrays, or nested lists of arrays where Torch gives tables.
        """
        return to_numpy(self.model(feed(self.plan, inputs), training=training))

    def intermediates(self, inputs: Any) -> dict[str, Any]:
        """What each module gives in evaluation mode.

        Args:
            inputs: as for calling.

        Returns:
            Path of a module → its output in Torch's layout, in order of conversion; second and
            further uses of a module are ``path#2`` and so on.
        """
        gives = {path: seam.gives for path, seam in self.seams.items()}
        tapped = keras.Model(
            self.model.input, [resolve(self.model, spot) for spot in gives.values()]
        )
        outputs = to_numpy(list(tapped(feed(self.plan, inputs), training=False)))
        return {
            path: torch_layout(spot, output)
            for (path, spot), output in zip(gives.items(), outputs, strict=True)
        }

    def parameters(self) -> list[np.ndarray[Any, Any]]:
        """Copies of the parameters in the order and layout of Torch's ``parameters()``."""
        return [np.array(binding.value()) for binding in self._parameters]

    def gradients(
        self, inputs: Any, grad_outputs: Any, training: bool = True
    ) -> tuple[Any, list[np.ndarray[Any, Any]]]:
        """Torch's ``backward`` after a forward of the same inputs, from zero gradients.

        Args:
            inputs: as for calling.
            grad_outputs: gradient of every output, in the outputs' form.
            training: mode of the forward.

        Returns:
            (gradient of the inputs in their own form, gradient of each parameter in the order and
            layout of Torch's ``parameters()``).
        """
        import tensorflow as tf

        fed = feed(self.plan, inputs, probe=True)
        watched = sources(self.plan, fed)
        variables = [binding.variable.value for binding in self._parameters]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            tape.watch(variables)
            outputs = tf.nest.flatten(self.model(fed, training=training))
            seeds = [
                tf.cast(tf.convert_to_tensor(g), y.dtype)
                for g, y in zip(tf.nest.flatten(grad_outputs), outputs, strict=True)
            ]
        found = tape.gradient(
            outputs,
            [*watched, *variables],
            seeds,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        grads = [np.asarray(tf.convert_to_tensor(g)) for g in found]
        of_inputs = unfeed(self.plan, inputs, fed, dict(zip(map(id, watched), grads, strict=False)))
        if is_criterion(self.module):
            of_inputs = self._of_criterion(of_inputs)
        of_parameters = [
            binding.gradient(grad)
            for binding, grad in zip(self._parameters, grads[len(watched) :], strict=True)
        ]
        return of_inputs, add_up(self._ties, self._parameters, of_parameters)

    def _of_criterion(self, grads: Any) -> Any:
        """The gradient of the input without the target's, which may be in the input's table."""
        given = grads[0]
        return given[:1] if self.module.class_name == "nn.CriterionTable" else given


def convert(
    source: Any,
    example_inputs: Any = None,
    *,
    weights: Any = None,
    features: Any = None,
    name: str | None = None,
) -> Converted:
    """A Torch model as a Keras functional model.

    Args:
        source: a ``.t7`` path, a YAML path (with ``weights``), what :func:`migrate.load_t7` gave,
            or a :class:`migrate.graph.Module`.
        example_inputs: an input in Torch's form, needed where the first module does not say what
            shape it takes.
        weights: for a YAML source: ``.t7`` path, TensorIO folder, or mapping of dotted paths.
        features: feature configuration of a DataRecord model (which features each split takes).
        name: of the Keras model; default: the source's.

    Raises:
        ConversionError: a module cannot be converted; all classes without a converter are listed.
        WeightError: a tensor is missing, left over, or of the wrong shape.
        GraphError: the source holds no module.
    """
    module = load_module(source, weights)
    _refuse_unknown(module)
    if takes_records(module):
        features = features or find_features(source)
        module = attach_splits(module, features)
    dtype = _dtype(module, example_inputs)
    planned = plan(module, example_inputs, dtype)
    title = _title(name, source, module)
    loose, batch = _any_batch(planned)
    if loose != planned or example_inputs is None:
        try:
            return _build(module, loose, dtype, features, title, batch, static=False)
        except (GraphError, WeightError):
            raise
        except Exception:  # any failure may come from the open batch; the next try tells
            if example_inputs is None:
                raise
    return _build(module, planned, dtype, features, title, None, static=loose != planned)


def _build(
    module: Module,
    planned: Plan,
    dtype: str,
    features: Any,
    name: str,
    batch: int | None,
    static: bool,
) -> Converted:
    ctx = Context(dtype, features)
    ctx.batch = batch
    inputs = _keras_inputs(planned, "input")
    if isinstance(inputs, dict):
        ctx.records = inputs
    outputs = ctx.torch_layout(ctx.convert(module, inputs))
    model = keras.Model(inputs, outputs, name=name)
    _check_all_used(module, ctx)
    listed = parameters(module, ctx.expanded)
    ordered = [ctx.bindings[id(p.module), p.name] for p in listed]
    tied = find_ties(listed, ordered)
    report = Report(
        tuple((m.path, m.source_class, c.name, c.restrictions) for m, c in ctx.used),
        tuple(ctx.bindings.values()),
        static,
        tuple(tuple(dict.fromkeys(ordered[i].path for i in group)) for group in tied),
    )
    taps = dict(ctx.taps)
    return Converted(model, report, module, planned, features, taps, seams(ctx), ordered, tied)


def _keras_inputs(planned: Plan, name: str) -> Any:
    if isinstance(planned, list):
        return [_keras_inputs(entry, f"{name}_{i}") for i, entry in enumerate(planned, 1)]
    if isinstance(planned, Dense):
        return keras.Input(batch_shape=planned.shape, dtype=planned.dtype, name=name)
    if isinstance(planned, Records):
        kinds = {"key": "int64", "value": "float64"} | (
            {"field": "int64"} if planned.fields else {}
        )
        return {k: keras.Input((None,), dtype=d, ragged=True, name=k) for k, d in kinds.items()}
    batch = 1 if planned.single else None
    return keras.Input((planned.width,), batch, dtype=planned.dtype, sparse=True, name=name)


def _any_batch(planned: Plan) -> tuple[Plan, int | None]:
    """The plan with the leading dimension of every input that has a batch left open, and its size.

    Tensors of two dimensions and more have one, and vectors of indices; in a table also vectors
    that are as long as the batch of the others (targets of a criterion).
    """
    batch = next((d.shape[0] for d in _dense(planned) if len(d.shape) > 1 or d.indices), None)

    def opened(entry: Plan, table: bool) -> Plan:
        if isinstance(entry, list):
            return [opened(e, True) for e in entry]
        if not isinstance(entry, Dense) or not entry.shape:
            return entry
        counts = len(entry.shape) > 1 or entry.indices or (table and entry.shape[0] == batch)
        return replace(entry, shape=(None, *entry.shape[1:])) if counts else entry

    return opened(planned, False), batch


def _dense(planned: Plan) -> list[Dense]:
    if isinstance(planned, list):
        return [dense for entry in planned for dense in _dense(entry)]
    return [planned] if isinstance(planned, Dense) else []


def _refuse_unknown(module: Module) -> None:
    known = declared()
    missing: dict[str, list[str]] = {}
    for m in walk(module):
        if m.class_name not in known:
            missing.setdefault(m.class_name, []).append(m.path or "(root)")
    if missing:
        lines = [
            f"  {cls}: {len(paths)} at {', '.join(paths[:5])}{', ...' if len(paths) > 5 else ''}"
            for cls, paths in sorted(missing.items())
        ]
        first = missing_message(next(iter(sorted(missing))), known)
        raise ConversionError(
            "these classes have no converter:\n" + "\n".join(lines) + f"\n{first}"
        )


def _check_all_used(module: Module, ctx: Context) -> None:
    left = [
        p.path
        for p in parameters(module, ctx.expanded)
        if (id(p.module), p.name) not in ctx.bindings
    ]
    if left:
        raise WeightError("these parameters found no place in the model: " + ", ".join(left))
    seats = Counter(id(b.variable) for b in ctx.bindings.values())
    shared = {id(p.tensor.storage) for p in parameters(module, ctx.expanded)}
    if len(shared) > len(seats):
        raise WeightError("two different parameters were put into one variable")


def _dtype(module: Module, example: Any) -> str:
    """The model's floating type: the first ``_type`` that a module has, else of its parameters.

    A criterion, which has neither, computes in the type of its input.
    """
    if is_criterion(module):
        kinds = {str(d.dtype) for d in _dense(plan(module, example))}
        return "float32" if "float32" in kinds else "float64"
    types = (m.get("_type") for m in walk(module))
    known = next((kind for kind in types if kind is not None), None)
    if known is not None:
        return DTYPES.get(str(known), "float32")
    return "float64" if any(p.tensor.dtype == np.float64 for p in parameters(module)) else "float32"


def _title(name: str | None, source: Any, module: Module) -> str:
    if name:
        return name
    return Path(source).stem if isinstance(source, str | Path) else module.short_class
