"""What a policy file may say."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from verify.tolerance import Tolerance

# What a limit can be set on; comparisons look their limits up by these names.
METRICS = (
    "values.bias_share",
    "ranking.kendall_tau",
    "ranking.weighted_tau",
    "ranking.topk_overlap",
    "ranking.ndcg_delta",
    "ranking.real_flips",
    "calibration.ratio_delta",
    "calibration.ece_delta",
    "calibration.auc_delta",
    "calibration.log_loss_delta",
    "calibration.rce_delta",
    "distribution.ks",
    "distribution.psi",
    "distribution.wasserstein",
)

# What a margin can be set on, and in which unit; checks of recorded traffic look theirs up by name.
MEASURES = {
    "predicted_observed": "relative change of predicted/observed, either way",
    "ece": "growth of the expected calibration error",
    "auc": "loss of AUC",
    "log_loss": "growth of log loss",
    "rce": "loss of relative cross entropy, in percent",
    "slice_shift": "relative change of the sum of scores in a slice, either way",
}

_NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Outliers(_Strict):
    share: Annotated[float, Field(gt=0.0, lt=1.0)]
    cap: _NonNegative


class _Calibrated(_Strict):
    k: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    floor: _NonNegative


class ToleranceRule(_Strict):
    """One entry of `tolerances`: where it applies, and the rule."""

    dtype: str = "*"
    family: str = "*"
    output: str = "*"
    atol: _NonNegative = 0.0
    rtol: _NonNegative = 0.0
    ulp: _NonNegative | None = None
    calibrated: _Calibrated | None = None
    outliers: _Outliers | None = None
    reason: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _one_mode(self) -> ToleranceRule:
        if self.calibrated and (self.atol or self.rtol or self.ulp is not None):
            raise ValueError("calibrated excludes atol, rtol and ulp; keep one of them")
        if self.ulp is not None and self.rtol:
            raise ValueError("ulp excludes rtol; keep one of them (atol may stay as a floor)")
        return self

    @property
    def name(self) -> str:
        """The three patterns, as shown in reports."""
        return f"{self.dtype}/{self.family}/{self.output}"

    def matches(self, dtype: str, family: str, output: str) -> bool:
        """Say whether the rule applies to an output."""
        return (
            fnmatchcase(dtype, self.dtype)
            and fnmatchcase(family, self.family)
            and fnmatchcase(output, self.output)
        )

    def tolerance(self) -> Tolerance:
        """Return the rule in the form that judges arrays."""
        return Tolerance(
            name=self.name,
            atol=self.atol,
            rtol=self.rtol,
            ulp=self.ulp,
            k=self.calibrated.k if self.calibrated else None,
            floor=self.calibrated.floor if self.calibrated else 0.0,
            outlier_share=self.outliers.share if self.outliers else 0.0,
            outlier_cap=self.outliers.cap if self.outliers else 0.0,
            reason=self.reason,
        )


class Override(ToleranceRule):
    """An exception: it needs a date after which it fails."""

    expires: dt.date


class Limit(_Strict):
    """Bounds on one metric of a comparison; a bound left out does not bind."""

    min: float | None = None
    max: float | None = None
    reason: str = ""

    @model_validator(mode="after")
    def _some_bound(self) -> Limit:
        if self.min is None and self.max is None:
            raise ValueError("a limit needs min or max")
        return self

    def holds(self, value: float) -> bool:
        """Say whether a value is inside; NaN never is."""
        above = self.min is None or value >= self.min
        return above and (self.max is None or value <= self.max)

    def describe(self) -> str:
        """Return the bounds as a formula."""
        parts = [f"≥ {self.min:g}" if self.min is not None else ""]
        parts.append(f"≤ {self.max:g}" if self.max is not None else "")
        return " and ".join(part for part in parts if part)


class MarginRule(_Strict):
    """By how much v2 may be worse than v1 in one measure, for certain outputs.

    Attributes:
        measure: A key of `MEASURES`.
        output: Pattern of output names.
        by: The margin, in the unit of the measure.
        reason: Why it is what it is.
    """

    measure: str
    output: str = "*"
    by: _NonNegative
    reason: Annotated[str, Field(min_length=1)]

    @field_validator("measure")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in MEASURES:
            raise ValueError(_unknown("measure", name, MEASURES))
        return name

    @property
    def name(self) -> str:
        """Measure and pattern, as shown in reports."""
        return f"{self.measure} of {self.output}"

    def matches(self, measure: str, output: str) -> bool:
        """Say whether the rule applies."""
        return self.measure == measure and fnmatchcase(output, self.output)


class PredictionRules(_Strict):
    """How prediction files are treated before values are compared.

    Attributes:
        nonfinite: "forbid": a NaN or Inf in v1 says nothing and cannot be matched;
            "same_pattern": it counts as equal where both sides have the same.
        min_rows: Fewer rows than this are INCONCLUSIVE.
        dtypes_may_differ: Accept float32 beside float64 (the coarser one decides).
    """

    nonfinite: Literal["forbid", "same_pattern"] = "forbid"
    min_rows: Annotated[int, Field(ge=1)] = 1
    dtypes_may_differ: bool = False


class PolicyFile(_Strict):
    """The whole file."""

    version: Literal[1]
    tolerances: tuple[ToleranceRule, ...] = ()
    overrides: tuple[Override, ...] = ()
    limits: dict[str, Limit] = Field(default_factory=dict)
    margins: tuple[MarginRule, ...] = ()
    predictions: PredictionRules = PredictionRules()

    @model_validator(mode="after")
    def _known_metrics(self) -> PolicyFile:
        for name in self.limits:
            if name not in METRICS:
                raise ValueError(f"limit on {_unknown('metric', name, METRICS)}")
        return self

    @model_validator(mode="after")
    def _each_margin_once(self) -> PolicyFile:
        names = [rule.name for rule in self.margins]
        twice = [name for at, name in enumerate(names) if name in names[:at]]
        if twice:
            raise ValueError(f"margin {twice[0]} is stated twice; keep one of them")
        return self


def _unknown(kind: str, name: str, known: Collection[str]) -> str:
    """Say that there is no such thing, and which was probably meant."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"unknown {kind} {name!r}; {hint}"
