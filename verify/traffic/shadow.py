"""Mirroring live requests: v1 answers the caller, v2 is asked beside it; its errors are data."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from verify.policy import Policy
from verify.report.tree import Column, Facts, Report, Section, Table
from verify.stats.sequential import EValue
from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["Ask", "Shadow"]

Ask = Callable[[bytes], Mapping[str, float]]
EXAMPLES = 5


@dataclass
class _Bucket:
    count: int = 0
    examples: list[tuple[bytes, str]] = field(default_factory=list)

    def add(self, record: bytes, text: str) -> None:
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((record, text))


class Shadow:
    """Asks both versions and keeps count.

    Args:
        v1: Answers a record; its answers and errors are the caller's.
        v2: Answers a record; its errors are data.
        outputs: Outputs to compare.
        allowed_rate: Acceptable rate of answers that do not match, in (0, 1).
        policy: Tolerances; default: the packaged policy.
        deadline: Seconds after which an answer of v2 comes too late to match; None for no limit.
        seed: Of the order in which the two are asked.
        clock: Monotonic seconds.

    Attributes:
        buckets: "beyond tolerance", "no answer", "too late" or the class of v2's error → how
            often, and the first records with what happened.
        active: Whether v2 is still asked; it is not once the evidence against it suffices.
    """

    def __init__(
        self,
        v1: Ask,
        v2: Ask,
        outputs: Sequence[str],
        *,
        allowed_rate: float,
        policy: Policy | None = None,
        deadline: float | None = None,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        policy = policy or Policy.load()
        self._v1, self._v2, self._deadline, self._clock = v1, v2, deadline, clock
        self._rules = {
            name: policy.tolerance(dtype=np.float64, family="prediction", output=name)
            for name in outputs
        }
        self._order = random.Random(seed)  # noqa: S311 - an order, not a secret
        self._evidence = EValue(allowed_rate)
        self.buckets: dict[str, _Bucket] = {}
        self.active = True

    def __call__(self, record: bytes) -> Mapping[str, float]:
        """Answer a record as v1 does.

        Args:
            record: The encoded DataRecord.

        Raises:
            Exception: Whatever v1 raises; such a request is not counted.
        """
        if not self.active:
            return self._v1(record)
        v2_first = self._order.random() < 0.5
        answer = self._ask_v2(record) if v2_first else None
        scores = self._v1(record)
        problem = self._problem(scores, answer or self._ask_v2(record))
        if problem is not None:
            self.buckets.setdefault(problem[0], _Bucket()).add(record, problem[1])
        self._evidence = self._evidence.add(problem is None, problem is not None)
        self.active = self._evidence.status is not Status.FAIL
        return scores

    def report(self, title: str = "Shadow traffic") -> Report:
        """Report on everything so far; it may be asked for after every answer."""
        e = self._evidence
        detail = (
            f"{e.bad:,} of {e.good + e.bad:,} answers do not match, a rate of {e.allowed:.3g} is "
            f"allowed; log e-value {e.log_value:.3g} against v2, {e.log_value_of_health:.3g} for it"
        )
        check = Check("rate of bad answers", Stage.TRAFFIC, e.status, detail)
        facts = Facts(
            {"answers": e.good + e.bad, "matching": e.good, "v2 still asked": self.active}
        )
        rows = tuple(
            (name, bucket.count, bucket.examples[0][1])
            for name, bucket in sorted(self.buckets.items(), key=lambda item: -item[1].count)
        )
        table = Table((Column("what"), Column("answers"), Column("the first")), rows, "Mismatches")
        roles = {"v1": "live answers", "v2": "asked beside"}
        return Report(title, Verdict.combine([check]), roles, (Section("Answers", (facts, table)),))

    def _ask_v2(self, record: bytes) -> tuple[Mapping[str, float], tuple[str, str] | None]:
        start = self._clock()
        try:
            answer = self._v2(record)
        except Exception as error:  # noqa: BLE001 - whatever v2 raises is what is counted
            return {}, (type(error).__name__, str(error))
        late = self._clock() - start
        if self._deadline is not None and late > self._deadline:
            return {}, ("too late", f"{late:.3g} s, {self._deadline:.3g} s are allowed")
        return answer, None

    def _problem(
        self, v1: Mapping[str, float], asked: tuple[Mapping[str, float], tuple[str, str] | None]
    ) -> tuple[str, str] | None:
        """Why the answers do not match; None if they do."""
        v2, error = asked
        if error is not None:
            return error
        for name, rule in self._rules.items():
            if name not in v1 or name not in v2:
                missing = "v1" if name not in v1 else "v2"
                return "no answer", f"{missing} gave no {name}"
            reference = np.array([v1[name]], np.float64)
            apart = abs(float(v2[name]) - float(v1[name]))
            if not apart <= float(rule.allowed(reference)[0]):
                return "beyond tolerance", f"{name}: v1 {v1[name]:.9g}, v2 {v2[name]:.9g}"
        return None
