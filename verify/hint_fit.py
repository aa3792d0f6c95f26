"""Which value of a number makes v1's layer give what v2's gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from verify.hints import Evidence, Hint
from verify.measure import distance
from verify.oracle import Oracle

__all__ = ["fitted", "values_of"]

# Other frameworks' usual values of such options.
USUAL = {
    "eps": (1e-3, 1e-5, 1e-8, 1e-12, 1e-7, 1e-6, 1e-4, 1e-2, 0.0),
    "negval": (0.01, 0.2, 0.3, 0.1),
    "alpha": (1.0, 0.3, 0.2, 1e-4),
    "beta": (0.75, 0.5, 1.0),
    "k": (1.0, 2.0),
}
STEPS = 60


def values_of(name: str, value: bool | float) -> Iterator[bool | float]:
    """Values that an option may have been mistaken for."""
    if isinstance(value, bool):
        yield not value
        return
    tried = [float(value)]
    near = [value + 1, value - 1, -value, 1 - value, 0.0, 1.0, 10 * value, value / 10]
    near += [value + 2, value - 2]
    near += [2 * value, value / 2, 1 / value if value else 0.0]
    for other in (*USUAL.get(name, ()), *near):
        if float(other) not in tried:
            tried.append(float(other))
            yield float(other)


def fitted(
    evidence: Evidence, fields: Mapping[str, str], of_class: Mapping[tuple[str, str], str]
) -> Hint | None:
    """A number that, with a value of no list, gives what v2 gives.

    Args:
        evidence: of the layer.
        fields: names of numbers that may have any value → kind of hint.
        of_class: the same for (class, name).
    """
    module = evidence.module
    for name, value in module.fields.items():
        kind = of_class.get((module.class_name, name)) or fields.get(name, "option")
        if kind not in ("epsilon", "slope", "bounds", "scale", "option", "bias", "padding"):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        found = _fit(_error(evidence, name), float(value), evidence.limit)
        if found is not None:
            text = f"as v1 with {name} = {found:.6g} in place of {value:g}"
            return Hint(kind, text)
    return None


def _error(evidence: Evidence, name: str) -> Callable[[float], float]:
    def error(value: float) -> float:
        module = evidence.module
        changed = replace(module, fields={**module.fields, name: value})
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return distance(Oracle(changed).forward(evidence.given), evidence.got)
        except Exception:  # noqa: BLE001 - a value that makes no sense explains nothing
            return float("inf")

    return error


def _fit(error: Callable[[float], float], start: float, limit: float) -> float | None:
    """Where the error is within the limit, by golden section around the best of a grid."""
    grid = sorted(
        {start, *(s * b * 10.0**e for e in range(-5, 3) for b in (1, 3) for s in (1, -1))}
    )
    errors = [error(value) for value in grid]
    best = int(np.argmin(errors))
    if not np.isfinite(errors[best]) or min(errors) == max(errors):  # it has no say here
        return None
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    share = (np.sqrt(5) - 1) / 2
    a, b = high - share * (high - low), low + share * (high - low)
    ea, eb = error(a), error(b)
    for _ in range(STEPS):
        if ea < eb:
            high, b, eb = b, a, ea
            a = high - share * (high - low)
            ea = error(a)
        else:
            low, a, ea = a, b, eb
            b = low + share * (high - low)
            eb = error(b)
    value = (low + high) / 2
    return float(value) if error(value) <= limit else None
