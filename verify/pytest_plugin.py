"""``pytest --deepbird-golden DIR``: a test of every case in a golden folder.

The plugin costs nothing until the option is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verify.golden import CaseResult

__all__ = ["GoldenFailure", "GoldenFolder", "GoldenItem"]


class GoldenFailure(Exception):  # noqa: N818 - pytest shows its text, nobody catches it
    """A case did not pass; the text says which checks and by how much."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("deepbird", "golden cases of Lua Torch")
    group.addoption(
        "--deepbird-golden",
        action="append",
        default=[],
        metavar="DIR",
        help="test every golden case in the folder (may be given several times)",
    )
    group.addoption(
        "--deepbird-policy",
        default=None,
        metavar="FILE",
        help="golden policy (YAML) to use in place of the packaged one",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each case, before anything selects among the tests."""
    for folder in config.getoption("--deepbird-golden"):
        collector = GoldenFolder.from_parent(session, name=folder, path=Path(folder).resolve())
        items.extend(collector.collect())
    session.testscollected = len(items)


class GoldenFolder(pytest.Collector):
    """A golden folder, a suite of it, or one case."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test a case.

        Raises:
            pytest.UsageError: there is no case in the folder, or the policy is none.
        """
        from verify.golden import GoldenError, GoldenPolicy, discover
        from verify.policy import PolicyError

        try:
            policy = GoldenPolicy.load(self.config.getoption("--deepbird-policy"))
            cases = discover(self.path)
        except (GoldenError, PolicyError) as error:
            raise pytest.UsageError(f"--deepbird-golden: {error}") from None
        for case in cases:
            yield GoldenItem.from_parent(self, name=case.name, folder=case.folder, policy=policy)


class GoldenItem(pytest.Item):
    """One case."""

    def __init__(self, *, folder: Path, policy: Any, **options: Any) -> None:
        super().__init__(**options)
        self.folder, self.policy = folder, policy
        self.add_marker(pytest.mark.xdist_group(self.name))

    def runtest(self) -> None:
        """Every check of the case."""
        from verify.golden import Case
        from verify.golden_run import run_released

        result = run_released(Case(self.folder), self.policy)
        if not result.checks:
            pytest.skip(result.note)
        if result.status in ("fail", "unsupported"):
            raise GoldenFailure(_message(result))
        if result.status == "excluded":
            pytest.skip("; ".join(dict.fromkeys(check.detail for check in result.checks)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What did not pass; a traceback only for an error of the harness."""
        if isinstance(excinfo.value, GoldenFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the case is, and its name."""
        return self.folder, None, f"golden case {self.name}"


def _message(result: CaseResult) -> str:
    bad = [check for check in result.checks if check.status in ("fail", "unsupported")]
    lines = [f"{check.status:11} {check.check}: {check.detail}" for check in bad]
    passed = sum(check.status == "pass" for check in result.checks)
    return "\n".join([f"{result.case}: {passed} of {len(result.checks)} checks pass", *lines])
