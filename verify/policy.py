"""The tolerance policy: a validated YAML file that says what difference is acceptable where.

Overrides come first and must say why and until when. What a policy states must be used: an
override that matched nothing, an expired one, and a limit or margin nobody checked are failures, so
that a policy cannot rot into a list of excuses.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from verify import strict_yaml
from verify.policy_schema import PolicyFile
from verify.verdict import Check, Stage, Status

if TYPE_CHECKING:
    from verify.policy_schema import Limit, MarginRule, Override, PredictionRules, ToleranceRule
    from verify.tolerance import Tolerance

DEFAULT_POLICY = Path(__file__).with_name("default_policy.yaml")


class PolicyError(ValueError):
    """A policy file is wrong; the message names file and line and what to do."""


@dataclass(frozen=True)
class Policy:
    """A loaded policy, and the record of which of its entries were used.

    Attributes:
        source: Where it came from, for reports.
        overrides: Exceptions, tried first.
        tolerances: Rules, tried in order; the packaged defaults follow those of a file.
        limits: Bounds by metric name.
        margins: What v2 may lose, tried in order; the packaged ones follow those of a file.
        predictions: Treatment of prediction files.
        stated: What the file itself says and somebody must therefore use; the packaged defaults
            need not all apply.
    """

    source: str
    overrides: tuple[Override, ...]
    tolerances: tuple[ToleranceRule, ...]
    limits: dict[str, Limit]
    margins: tuple[MarginRule, ...]
    predictions: PredictionRules
    stated: tuple[str, ...] = ()
    _used: set[str] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Policy:
        """Load a policy file on top of the packaged defaults.

        Args:
            path: YAML file; None for the packaged policy alone.

        Returns:
            The policy. Tolerances and margins of the file come before the packaged ones; its limits
            and prediction rules replace the packaged ones.

        Raises:
            PolicyError: The file cannot be read or is not a valid policy.
        """
        defaults = _parse(DEFAULT_POLICY)
        if path is None:
            return cls(
                "packaged default policy",
                (),
                defaults.tolerances,
                defaults.limits,
                defaults.margins,
                defaults.predictions,
            )
        own = _parse(Path(path))
        return cls(
            source=str(path),
            overrides=own.overrides,
            tolerances=own.tolerances + defaults.tolerances,
            limits=own.limits if "limits" in own.model_fields_set else defaults.limits,
            margins=own.margins + defaults.margins,
            predictions=(
                own.predictions if "predictions" in own.model_fields_set else defaults.predictions
            ),
            stated=(
                *(f"override {rule.name}" for rule in own.overrides),
                *(f"limit {metric}" for metric in own.limits),
                *(f"margin {rule.name}" for rule in own.margins),
            ),
        )

    def tolerance(self, *, dtype: object, family: str = "", output: str = "") -> Tolerance:
        """Find the tolerance of an output, and remember that it was used.

        Args:
            dtype: dtype v1 computed in (a NumPy dtype or its name).
            family: Kind of operation: "linear", "convolution", "prediction", ...
            output: Layer path or column name.

        Returns:
            The first matching override, else the first matching rule.

        Raises:
            PolicyError: Nothing matches.
        """
        name = np.dtype(dtype).name  # type: ignore[call-overload] # anything NumPy accepts
        for kind, rules in (("override", self.overrides), ("tolerance", self.tolerances)):
            for rule in rules:
                if rule.matches(name, family, output):
                    self._used.add(f"{kind} {rule.name}")
                    return rule.tolerance()
        raise PolicyError(
            f"{self.source}: no tolerance for dtype {name}, family {family!r}, output {output!r}; "
            "add an entry to tolerances"
        )

    def limit(self, metric: str) -> Limit | None:
        """Return the bounds on a metric, and remember that it was checked; None without any."""
        limit = self.limits.get(metric)
        if limit is not None:
            self._used.add(f"limit {metric}")
        return limit

    def margin(self, measure: str, output: str) -> float:
        """Return by how much v2 may be worse, and remember that it was judged.

        Args:
            measure: A key of `verify.policy_schema.MEASURES`.
            output: Name of the output.

        Raises:
            PolicyError: Nothing matches.
        """
        for rule in self.margins:
            if rule.matches(measure, output):
                self._used.add(f"margin {rule.name}")
                return rule.by
        raise PolicyError(f"{self.source}: no margin of {measure} for output {output!r}")

    def unused(self) -> tuple[str, ...]:
        """Name each override, limit and margin of the file that nothing has asked for so far."""
        return tuple(name for name in self.stated if name not in self._used)

    def expired(self, today: dt.date | None = None) -> tuple[Override, ...]:
        """Return the overrides whose last day has passed (in UTC unless a day is given)."""
        today = today or dt.datetime.now(dt.UTC).date()
        return tuple(rule for rule in self.overrides if rule.expires < today)

    def checks(self, today: dt.date | None = None) -> list[Check]:
        """Judge the policy itself, after everything else was compared.

        Args:
            today: Day to judge expiry by; None for today in UTC.

        Returns:
            A failing check for each expired override and each entry nobody used, or one pass.
        """
        expired = [
            f"override {rule.name} expired on {rule.expires}; fix the cause or renew it"
            for rule in self.expired(today)
        ]
        unused = [f"{name} was never used; remove or correct it" for name in self.unused()]
        problems = expired + unused
        if not problems:
            return [Check("policy", Stage.POLICY, Status.PASS, f"{self.source}: all of it applies")]
        return [
            Check("policy", Stage.POLICY, Status.FAIL, problem, location=self.source)
            for problem in problems
        ]


def _parse(path: Path) -> PolicyFile:
    try:
        data, root = strict_yaml.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot read the policy: {error}") from error
    except strict_yaml.YamlError as error:
        raise PolicyError(f"{path}: {error}") from error
    try:
        return PolicyFile.model_validate(data)
    except ValidationError as error:
        problems = [
            f"{path}:{strict_yaml.line_of(root, item['loc'])}: "
            f"{'.'.join(str(step) for step in item['loc']) or 'policy'}: {item['msg']}"
            for item in error.errors()
        ]
        raise PolicyError("\n".join(problems)) from error
