"""What difference between two arrays is acceptable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verify.compare.values import Array, Floats, ValueResult, measure, ulp_distance


class OracleNeededError(ValueError):
    """A calibrated tolerance was asked to judge without float64 reference values."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A rule for acceptable differences, in one of three modes.

    * bound: `|got - ref| <= atol + rtol * |ref|`
    * ulp: at most `ulp` representable numbers apart, or `|got - ref| <= atol`
    * calibrated: `|got - oracle| <= k * max|ref - oracle| + floor`, with float64 oracle values

    Attributes:
        name: How the rule is called in reports.
        atol: Absolute bound, in units of the value.
        rtol: Relative bound.
        ulp: Number of ULP; None outside ulp mode.
        k: Factor on v1's own error; None outside calibrated mode.
        floor: Added to the calibrated bound, in units of the value.
        outlier_share: Share of elements, in [0, 1), that may be beyond the bound.
        outlier_cap: Hard cap on the absolute difference of those.
        reason: Why the figures are what they are.
    """

    name: str = "exact"
    atol: float = 0.0
    rtol: float = 0.0
    ulp: float | None = None
    k: float | None = None
    floor: float = 0.0
    outlier_share: float = 0.0
    outlier_cap: float = 0.0
    reason: str = ""

    def allowed(self, ref: Array, oracle: Array | None = None) -> Floats:
        """Return the largest acceptable absolute difference per element.

        Args:
            ref: Reference values, any shape.
            oracle: float64 reference values of the same shape; calibrated mode needs them.

        Returns:
            Bounds of the shape of `ref`. In ulp mode they are `ulp` spacings at `ref`.

        Raises:
            OracleNeededError: Calibrated mode without `oracle`.
        """
        if self.k is not None:
            if oracle is None:
                raise OracleNeededError(
                    f"tolerance {self.name!r} compares with the float64 oracle, and there is none; "
                    "run the oracle or choose atol/rtol for this output"
                )
            own = np.abs(ref.astype(np.float64) - oracle.astype(np.float64))
            own = own[np.isfinite(own)]
            return np.full(ref.shape, self.k * own.max(initial=0.0) + self.floor)
        with np.errstate(invalid="ignore"):
            magnitude = np.abs(ref.astype(np.float64))
            if self.ulp is not None and ref.dtype.kind == "f":
                steps = self.ulp * np.abs(np.spacing(ref)).astype(np.float64)
                return np.asarray(np.maximum(steps, self.atol))
            return np.asarray(self.atol + self.rtol * magnitude)

    def check(self, ref: Array, got: Array, oracle: Array | None = None) -> ValueResult:
        """Judge `got` against `ref`.

        Args:
            ref: Reference values (v1), any shape.
            got: Candidate values (v2) of the same shape.
            oracle: float64 values of the same shape; calibrated mode needs them.

        Returns:
            Every figure and whether the rule holds. NaN and Inf must stand at the same places.

        Raises:
            OracleNeededError: Calibrated mode without `oracle`.
            ValueError: The shapes differ or the arrays are empty.
        """
        ref, got = np.asarray(ref), np.asarray(got)
        if ref.shape != got.shape:
            raise ValueError(f"shapes differ: {ref.shape} and {got.shape}; align before comparing")
        within = None
        if self.ulp is not None and ref.dtype.kind == "f":
            difference = np.abs(got.astype(np.float64) - ref.astype(np.float64))
            steps = ulp_distance(np.ascontiguousarray(ref), np.ascontiguousarray(got, ref.dtype))
            within = (steps <= self.ulp) | (difference <= self.atol)
        return measure(
            ref,
            got,
            self.allowed(ref, oracle),
            within=within,
            origin=oracle if self.k is not None else None,
            rtol=self.rtol,
            outlier_share=self.outlier_share,
            outlier_cap=self.outlier_cap,
        )

    def describe(self) -> str:
        """Return the rule as a formula."""
        if self.k is not None:
            text = f"|v2 − f64| ≤ {self.k:g}·max|v1 − f64| + {self.floor:g}"
        elif self.ulp is not None:
            text = f"≤ {self.ulp:g} ULP" + (f" or |d| ≤ {self.atol:g}" if self.atol else "")
        elif self.atol or self.rtol:
            relative = f" + {self.rtol:g}·|v1|" if self.rtol else ""
            text = f"|d| ≤ {self.atol:g}{relative}"
        else:
            text = "equal"
        if self.outlier_share:
            text += f", {self.outlier_share:.3%} of values up to {self.outlier_cap:g}"
        return text
