"""A test on live traffic that may be looked at after every answer.

A fixed-sample test looked at a hundred times raises a false alarm in 40 % of runs. An e-value stays
valid at every look: if the rate of bad answers is at most the allowed one, it ever exceeds 1/alpha
with probability at most alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from verify.verdict import Status


@dataclass(frozen=True, slots=True)
class EValue:
    """Evidence, so far, that answers are out of tolerance more often than allowed.

    The alternative is a mixture over all rates above the allowed one, Beta(1, 1) cut there; the
    e-value is the mixture's likelihood over that of the allowed rate. Cutting the mixture makes
    the ratio valid for every rate up to the allowed one.

    Attributes:
        allowed: Acceptable rate of bad answers, in (0, 1).
        alpha: Probability of ever raising a false alarm.
        good, bad: Answers seen so far.
    """

    allowed: float
    alpha: float = 0.01
    good: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not (0.0 < self.allowed < 1.0 and 0.0 < self.alpha < 1.0):
            raise ValueError("allowed and alpha must be in (0, 1)")
        if self.good < 0 or self.bad < 0:
            raise ValueError("counts cannot be negative")

    def add(self, good: int = 0, bad: int = 0) -> EValue:
        """Return the e-value after more answers."""
        return EValue(self.allowed, self.alpha, self.good + good, self.bad + bad)

    @property
    def log_value(self) -> float:
        """Natural logarithm of the e-value against "the rate is at most the allowed one"."""
        above = _log_upper_beta(self.bad + 1, self.good + 1, self.allowed)
        null = self.bad * math.log(self.allowed) + self.good * math.log1p(-self.allowed)
        return above - math.log1p(-self.allowed) - null

    @property
    def log_value_of_health(self) -> float:
        """The same against "the rate is at least the allowed one": evidence that v2 is fine."""
        below = _log_upper_beta(self.good + 1, self.bad + 1, 1.0 - self.allowed)
        null = self.bad * math.log(self.allowed) + self.good * math.log1p(-self.allowed)
        return below - math.log(self.allowed) - null

    @property
    def status(self) -> Status:
        """FAIL or PASS once the evidence suffices, INCONCLUSIVE before."""
        needed = -math.log(self.alpha)
        if self.log_value >= needed:
            return Status.FAIL
        if self.log_value_of_health >= needed:
            return Status.PASS
        return Status.INCONCLUSIVE


def _log_upper_beta(a: int, b: int, x: float) -> float:
    """Logarithm of the integral of t^(a-1) (1-t)^(b-1) over [x, 1], a and b whole numbers.

    With n = a + b - 1 trials of probability x the integral is B(a, b) P(fewer than a successes),
    summed from the term nearest to the peak until terms no longer count.
    """
    n = a + b - 1
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    top = min(a - 1, int((n + 1) * x))
    log_term = (
        math.lgamma(n + 1)
        - math.lgamma(top + 1)
        - math.lgamma(n - top + 1)
        + top * math.log(x)
        + (n - top) * math.log1p(-x)
    )
    odds = x / (1.0 - x)
    total, term = 1.0, 1.0
    for k in range(top, 0, -1):
        term *= k / ((n - k + 1) * odds)
        total += term
        if term < total * 1e-17:
            break
    term = 1.0
    for k in range(top + 1, a):
        term *= (n - k + 1) * odds / k
        total += term
        if term < total * 1e-17:
            break
    return log_beta + log_term + math.log(total)
