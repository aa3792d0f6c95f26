"""Budget files."""

import pytest

from verify.latency.budget import DEFAULTS, Budget, BudgetError, load_budgets, parse_budgets


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("p99 <= 1.1 * v1", Budget("response", 99, ratio=1.1)),
        ("  service   p99.9<=2*v1 ", Budget("service", 99.9, ratio=2)),
        ("cpu p50 <= 20 ms", Budget("cpu", 50, seconds=0.02)),
        ("undisturbed p95 <= 150us", Budget("undisturbed", 95, seconds=150e-6)),
    ],
)
def test_a_limit(text, budget):
    parsed = Budget.parse(text)
    assert parsed.name == budget.name
    assert (parsed.ratio, parsed.seconds) == (budget.ratio, pytest.approx(budget.seconds))
    assert Budget.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("p99 < 1.1 * v1", "budget:2: 'p99 < 1.1"),
        ("p99 <= 1.1", "write for example"),
        ("wall p99 <= 1.1 * v1", "unknown metric 'wall'"),
        ("p100 <= 1 * v1", "between 0 and 100|0..100"),
        ("p50 <= 0 * v1", "above 0"),
        ("p50 <= 1 * v1\np50 <= 2 * v1", "has a limit already"),
    ],
)
def test_what_is_no_limit_is_named_by_line(text, problem):
    with pytest.raises(BudgetError, match=problem):
        parse_budgets("# comment\n" + text)


def test_files(tmp_path):
    path = tmp_path / "budget.txt"
    path.write_text("p99 <= 1.1 * v1  # as users feel it\n\nservice p50 <= 3 ms\n")
    assert [b.name for b in load_budgets(path)] == ["response p99", "service p50"]
    path.write_text("# nothing\n")
    with pytest.raises(BudgetError, match="no limits"):
        load_budgets(path)


def test_default_limits_can_be_read():
    assert all(parse_budgets(text) for text in DEFAULTS)
