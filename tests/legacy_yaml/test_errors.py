"""Mistakes and widths: documents with every problem that is expected of them, word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from legacy_yaml import ConfigError, loads

CASES = [
    (f"{table}: {name}", document, problems)
    for table in ("mistakes", "widths")
    for name, document, problems in re.findall(
        r"^=== (.*)\n((?:(?!===|>>>).*\n)*?)\n?((?:>>> .*\n)*)(?=\n=== |\Z)",
        Path(__file__).with_name(f"{table}.txt").read_text("utf-8"),
        re.MULTILINE,
    )
]


@pytest.mark.parametrize(
    ("document", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_a_document_has_exactly_the_expected_problems(document, expected):
    try:
        loads(document.rstrip("\n"), name="site.yaml")
    except ConfigError as error:
        found = str(error).splitlines()
    else:
        found = []
    assert found == [line.removeprefix(">>> ") for line in expected.splitlines()]


def test_the_tables_are_read_completely():
    for table in ("mistakes", "widths"):
        text = Path(__file__).with_name(f"{table}.txt").read_text("utf-8")
        names = [name for name, *_ in CASES if name.startswith(table)]
        assert len(names) == text.count("\n=== ")
        lines = sum(len(problems.splitlines()) for name, _, problems in CASES if name in names)
        assert lines == text.count("\n>>> ")


def test_every_problem_of_a_file_comes_in_one_run_in_the_order_of_the_file():
    text = """\
seed: x
model:
  - modules.FullDenseLayer: {inputFeatures: 100, outputFeature: 200, dropout: 2}
  - nn.Linaer: [200, 3]
  - nn.Linear: [${nowhere}, 3]
  - nn.Linear: [4, 1]
metrics: {}
"""
    with pytest.raises(ConfigError) as error:
        loads(text, name="site.yaml")
    assert [(p.line, p.column, p.path, p.suggestion) for p in error.value.problems] == [
        (1, 7, "seed", None),
        (3, 50, "model[0].modules.FullDenseLayer.outputFeature", "outputFeatures"),
        (3, 79, "model[0].modules.FullDenseLayer.dropout", None),
        (4, 5, "model[1].nn.Linaer", "nn.Linear"),
        (5, 17, "model[2].nn.Linear[0]", None),
        (6, 17, "model[3].nn.Linear.inputSize", None),
        (7, 10, "metrics", None),
    ]


def test_a_mistake_in_a_template_is_reported_once():
    text = "templates: {t: [nn.Tann]}\nmodel: [template: {name: t}, template: {name: t}]"
    with pytest.raises(ConfigError) as error:
        loads(text)
    assert [problem.path for problem in error.value.problems] == ["model[0].nn.Tann"]
