"""The report as JUnit XML, for continuous integration: a suite a stage, a test case a check."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from verify.verdict import Check, Power, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verify.report.tree import Report

# XML 1.0 has no way to write these, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENTS = {
    Status.FAIL: "failure",
    Status.INCONCLUSIVE: "error",
    Status.NOT_COMPARABLE: "error",
}


def to_junit(report: Report) -> str:
    """Render a report as JUnit XML.

    Args:
        report: The report.

    Returns:
        XML text. FAIL is a failure; INCONCLUSIVE and NOT COMPARABLE are errors, so that no tool
        counts them as passed. The verdict is a test case of its own: it fails where no check does.
    """
    suites = [
        _suite(stage.value, list(group))
        for stage, group in groupby(report.verdict.checks, key=lambda check: check.stage)
    ]
    verdict = Check("verdict", Stage.POLICY, report.verdict.status, report.verdict.reason)
    suites.append(_suite("verdict", [verdict]))
    body = "\n".join(suites)
    name = _attribute(report.title)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={name}>\n{body}\n</testsuites>\n'
    )


def _suite(name: str, checks: Iterable[Check]) -> str:
    cases = list(checks)
    elements = [_ELEMENTS.get(check.status) for check in cases]
    opening = (
        f'  <testsuite name={_attribute(name)} tests="{len(cases)}" '
        f'failures="{elements.count("failure")}" errors="{elements.count("error")}" skipped="0">'
    )
    lines = [opening, *(_case(check) for check in cases)]
    return "\n".join([*lines, "  </testsuite>"])


def _case(check: Check) -> str:
    text = check.detail + (f"\nat {check.location}" if check.location else "")
    monitor = " (monitor)" if check.stage.power is Power.MONITOR else ""
    opening = (
        f"    <testcase classname={_attribute('deepbird.' + check.stage.value)} "
        f"name={_attribute(check.name + monitor)}"
    )
    element = _ELEMENTS.get(check.status)
    if element is None:
        return f"{opening}><system-out>{_text(text)}</system-out></testcase>"
    return (
        f"{opening}><{element} type={_attribute(check.status.value)} "
        f"message={_attribute(check.detail)}>{_text(text)}</{element}></testcase>"
    )


def _text(value: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", value))


def _attribute(value: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", value))
