"""Methods of Torch's ``optim`` as Keras optimizers, and their state tables, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepbird_v2 import optimizers
from migrate.optim_methods import METHODS, OptimError, method_of
from migrate.t7.objects import Table
from migrate.trainable import Trainable
from migrate.weights import WeightError

__all__ = ["METHODS", "OptimError", "ignored", "load_state", "make_optimizer", "save_state"]

Array = np.ndarray[Any, Any]
Config = Mapping[str, Any]


WHOLE = {"evaluations", "max_iter", "n_correction"}
SEARCH = {"c1": "decrease", "c2": "curvature", "tolX": "tol_x", "maxIter": "max_iter"}


def make_optimizer(name: str, config: Config, trainable: Trainable) -> Any:
    """The optimizer of a method and its options, with Torch's defaults for what is not given.

    Args:
        name: of the method, ``adagrad``.
        config: Torch's options, or the one table that held options and state; what the method
            does not know is ignored, see :func:`ignored`.
        trainable: the parameters that it will train.

    Returns:
        A Keras optimizer built for the parameters, or ``LBFGS`` or ``CG``.

    Raises:
        OptimError: there is no such method, or it refuses the options.
    """
    method = method_of(name)
    keywords = {
        keyword: int(config[option]) if keyword in WHOLE else config[option]
        for option, keyword in method.options.items()
        if _given(config, option) and not (option in method.slots and np.ndim(config[option]))
    }
    vectors = {
        slot: config[option]
        for option, (_, slot) in method.vectors.items()
        if _given(config, option) and not (option == "weightDecays" and keywords.get("l2"))
    }
    keywords |= {keyword: True for keyword, slot in method.vectors.values() if slot in vectors}
    if name == "lbfgs":
        keywords["line_search"] = _line_search(config)
    try:
        optimizer = method.make(**keywords)
    except (TypeError, ValueError) as error:
        raise OptimError(f"optim.{name}: {error}") from None
    if hasattr(optimizer, "build"):
        optimizer.build(trainable.variables)
        for slot, vector in vectors.items():
            _assign(optimizer.state[slot], _vector(vector, trainable, slot), trainable)
    return optimizer


def ignored(name: str, config: Config) -> tuple[str, ...]:
    """Options that the method does not read, in Torch as here."""
    method = method_of(name)
    known = {*method.options, *method.vectors, *method.slots, method.counter, "verbose"}
    if name == "lbfgs":
        known |= {"lineSearch", "lineSearchOptions"}
    return tuple(option for option in config if option not in known)


def load_state(name: str, optimizer: Any, table: Config, trainable: Trainable) -> None:
    """Continue where a v1 run stopped.

    Args:
        name: of the method.
        optimizer: of :func:`make_optimizer`.
        table: Torch's state table, as :func:`migrate.load_t7` gives it.
        trainable: the parameters.

    Raises:
        OptimError: a field that the method needs is missing.
        WeightError: a vector has another size than the model.
    """
    method = method_of(name)
    if isinstance(optimizer, optimizers.LBFGS):
        _load_lbfgs(optimizer, table, trainable)
        return
    if isinstance(optimizer, optimizers.CG):  # every call starts anew
        return
    steps = int(table.get(method.counter, 0)) if method.counter else 0
    if name == "rprop" and "delta" not in table:  # "stepsize" is still the option, a number
        return
    present = [f for f, slot in method.slots.items() if slot in optimizer.state and f in table]
    for torch_field in present:
        vector = _vector(table[torch_field], trainable, torch_field)
        _assign(optimizer.state[method.slots[torch_field]], vector, trainable)
    missing = [f for f, s in method.slots.items() if s in optimizer.state and f not in table]
    if missing and present:
        raise OptimError(f"optim.{name}: the state has {present[0]!r} but no {missing[0]!r}")
    if missing and steps and name != "sgd":  # momentum of sgd may start at any time
        raise OptimError(f"optim.{name}: the state is of step {steps} but has no {missing[0]!r}")
    optimizer.iterations.assign(steps)
    if isinstance(optimizer, optimizers.SGD):
        optimizer.started.assign(int("dfdx" in table))


def save_state(name: str, optimizer: Any, trainable: Trainable) -> dict[str, Any]:
    """The state as Torch's table has it: counters as floats, flat vectors."""
    method = method_of(name)
    if isinstance(optimizer, optimizers.LBFGS):
        return _save_lbfgs(optimizer, trainable)
    if isinstance(optimizer, optimizers.CG):
        return {}
    table: dict[str, Any] = {}
    if method.counter:
        table[method.counter] = float(optimizer.iterations.numpy())
    for torch_field, slot in method.slots.items():
        if slot in optimizer.state:
            values = [variable.numpy() for variable in optimizer.state[slot]]
            table[torch_field] = trainable.to_torch(values)
    if isinstance(optimizer, optimizers.ASGD):
        table |= _next_of_asgd(optimizer, table["t"])
    return table


def _given(config: Config, option: str) -> bool:
    return config.get(option) is not None


def _next_of_asgd(optimizer: optimizers.ASGD, t: float) -> dict[str, float]:
    """Rate and weight of the step after ``t``, which Torch keeps rather than computes anew."""
    rate = float(optimizer.exact_rate or optimizer.learning_rate)
    return {
        "eta_t": rate / (1 + optimizer.decay * rate * t) ** optimizer.power,
        "mu_t": 1 / max(1.0, t - optimizer.start_averaging) if t else 1.0,
    }


def _line_search(config: Config) -> optimizers.StrongWolfe | None:
    named = config.get("lineSearch")
    if named is None:
        return None
    if str(named).removeprefix("optim.") != "lswolfe":
        raise OptimError(f"optim.lbfgs: the only line search is optim.lswolfe, not {named!r}")
    given = dict(config.get("lineSearchOptions") or {})
    known = {keyword: given[option] for option, keyword in SEARCH.items() if option in given}
    return optimizers.StrongWolfe(**known)


def _vector(value: Any, trainable: Trainable, where: str) -> Array:
    vector = np.asarray(value).reshape(-1)
    if vector.size != trainable.layout.size:
        raise WeightError(
            f"{where}: the model has {trainable.layout.size} parameters, the vector {vector.size}"
        )
    return vector


def _assign(variables: Sequence[Any], vector: Array, trainable: Trainable) -> None:
    for variable, values in zip(variables, trainable.to_keras(vector), strict=True):
        variable.assign(values)


def _load_lbfgs(optimizer: optimizers.LBFGS, table: Config, trainable: Trainable) -> None:
    if not table.get("nIter"):
        return
    missing = [n for n in ("d", "g_old", "t", "Hdiag", "old_dirs", "old_stps") if n not in table]
    if missing:
        raise OptimError(f"optim.lbfgs: cannot continue, the state has no {', '.join(missing)}")

    def ours(value: Any, where: str) -> Array:
        arrays = trainable.to_keras(_vector(value, trainable, where))
        return np.concatenate([array.reshape(-1) for array in arrays])

    optimizer.iterations, optimizer.evaluations = int(table["nIter"]), int(table["funcEval"])
    optimizer.direction, optimizer.gradient = ours(table["d"], "d"), ours(table["g_old"], "g_old")
    optimizer.length, optimizer.scale = float(table["t"]), float(table["Hdiag"])
    optimizer.history.clear()
    moved, changed = _entries(table["old_dirs"]), _entries(table["old_stps"])
    for step, change in zip(moved, changed, strict=True):
        optimizer.history.append((ours(step, "old_dirs"), ours(change, "old_stps")))


def _save_lbfgs(optimizer: optimizers.LBFGS, trainable: Trainable) -> dict[str, Any]:
    if optimizer.direction is None or optimizer.gradient is None:
        return {"nIter": 0.0, "funcEval": float(optimizer.evaluations)}
    sizes = np.cumsum([int(np.prod(v.shape)) for v in trainable.variables])[:-1]

    def theirs(vector: Array) -> Array:
        parts = np.split(vector, sizes)
        shaped = [p.reshape(v.shape) for p, v in zip(parts, trainable.variables, strict=True)]
        return trainable.to_torch(shaped)

    return {
        "nIter": float(optimizer.iterations),
        "funcEval": float(optimizer.evaluations),
        "d": theirs(optimizer.direction),
        "g_old": theirs(optimizer.gradient),
        "t": optimizer.length,
        "Hdiag": optimizer.scale,
        "old_dirs": [theirs(step) for step, _ in optimizer.history],
        "old_stps": [theirs(change) for _, change in optimizer.history],
    }


def _entries(value: Any) -> list[Any]:
    """The entries of a list, also of a Lua table without any."""
    if isinstance(value, Table):
        return value.sequence() or []
    return list(value.values()) if isinstance(value, Mapping) else list(value)
