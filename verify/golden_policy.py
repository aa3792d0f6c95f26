"""The policy of the golden checks: a YAML file of tolerances and exclusions, each with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from verify import strict_yaml
from verify.policy import PolicyError

__all__ = ["DEFAULT", "Condition", "GoldenPolicy", "NotMade"]

DEFAULT = Path(__file__).with_name("golden_policy.yaml")

Condition = Literal[
    "random_training", "random_always", "no_batch", "not_a_batch", "static_batch", "no_kernel"
]
_NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_Text = Annotated[str, Field(min_length=1)]


class NotMade(Exception):  # noqa: N818 - no error: the check has nothing to look at
    """A check cannot be made for this case; the policy must know the condition.

    Args:
        condition: that the policy must know.
        what: stands in the way; the policy's reason follows it.
    """

    def __init__(self, condition: Condition, what: str = "") -> None:
        super().__init__(condition)
        self.condition, self.what = condition, what


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tolerance(_Strict):
    """``|got - ref| <= atol + rtol*|ref| + scale*max|ref|``, and where it applies."""

    dtype: str = "*"
    family: str = "*"
    output: str = "*"
    atol: _NonNegative = 0.0
    rtol: _NonNegative = 0.0
    scale: _NonNegative = 0.0
    reason: _Text

    def allowed(self, ref: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The largest acceptable |difference| of each element, float64 of the shape of ``ref``."""
        size = np.abs(ref.astype(np.float64))
        largest = np.max(size, where=np.isfinite(size), initial=0.0)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.atol + self.rtol * size + self.scale * largest)


class Exclusion(_Strict):
    """Checks that are not made, of which cases, and why."""

    checks: tuple[_Text, ...]
    case: str = "*"
    when: Condition | None = None
    reason: _Text


class _File(_Strict):
    version: Literal[1]
    tolerances: tuple[Tolerance, ...]
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class GoldenPolicy:
    """A loaded policy.

    Attributes:
        source: where it came from, for reports.
        tolerances: tried in order.
        exclusions: tried in order.
    """

    source: str
    tolerances: tuple[Tolerance, ...]
    exclusions: tuple[Exclusion, ...]

    @classmethod
    def load(cls, path: str | Path | None = None) -> GoldenPolicy:
        """Load a policy file; None for the packaged one.

        Raises:
            PolicyError: the file cannot be read or is no golden policy.
        """
        where = DEFAULT if path is None else Path(path)
        try:
            data, root = strict_yaml.load(where.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, strict_yaml.YamlError) as error:
            raise PolicyError(f"{where}: {error}") from error
        try:
            file = _File.model_validate(data)
        except ValidationError as error:
            lines = [
                f"{where}:{strict_yaml.line_of(root, item['loc'])}: "
                f"{'.'.join(map(str, item['loc'])) or 'policy'}: {item['msg']}"
                for item in error.errors()
            ]
            raise PolicyError("\n".join(lines)) from error
        source = "packaged golden policy" if path is None else str(path)
        return cls(source, file.tolerances, file.exclusions)

    def tolerance(self, *, dtype: Any, family: str, output: str) -> Tolerance:
        """The first tolerance for a value.

        Args:
            dtype: that Torch computed in.
            family: name of the check.
            output: ``suite/case/value``.

        Raises:
            PolicyError: none matches.
        """
        name = np.dtype(dtype).name
        for rule in self.tolerances:
            wanted = ((name, rule.dtype), (family, rule.family), (output, rule.output))
            if all(fnmatchcase(value, pattern) for value, pattern in wanted):
                return rule
        raise PolicyError(f"{self.source}: no tolerance for {name} values of {family} ({output})")

    def exclusion(self, check: str, case: str, condition: Condition | None) -> str | None:
        """The reason not to make a check; None if it is to be made.

        Args:
            check: its name.
            case: ``suite/case``.
            condition: what the check met, None before it ran.
        """
        for entry in self.exclusions:
            named = any(fnmatchcase(check, pattern) for pattern in entry.checks)
            if named and fnmatchcase(case, entry.case) and entry.when == condition:
                return entry.reason
        return None
