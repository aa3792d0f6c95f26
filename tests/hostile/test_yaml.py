"""Documents made to hurt: each ends in one clear error, soon, and builds nothing."""

from __future__ import annotations

import os
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from legacy_yaml import ConfigError, load, loads


def bomb(levels: int, width: int) -> str:
    steps = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels))
    return "\n".join(["a0: &a0 [x, x]", *steps])


def chain(levels: int) -> str:
    return "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels))


def templates(levels: int, width: int) -> str:
    bodies = ["  t0: [nn.Tanh]"]
    for level in range(1, levels):
        calls = ", ".join([f"template: {{name: t{level - 1}}}"] * width)
        bodies.append(f"  t{level}: [{calls}]")
    call = f"template: {{name: t{levels - 1}}}"
    return "templates:\n" + "\n".join(bodies) + f"\nmodel: [{call}]"


def variables(levels: int, body: str) -> str:
    lines = ["  v0: xxxxxxxx"]
    lines += [f"  v{n}: {body.replace('?', str(n - 1))}" for n in range(1, levels)]
    return "variables:\n" + "\n".join(lines) + f"\nmodel: [nn.Constant: ['${{v{levels - 1}}}']]"


NESTED_TEMPLATES = (
    "templates:\n"
    + "\n".join(
        f"  t{n}: [nn.Sequential: {{layers: [template: {{name: t{n + 1}}}]}}]" for n in range(200)
    )
    + "\n  t200: [nn.Tanh]\nmodel: [template: {name: t0}]"
)

HOSTILE = [
    ("alias bomb", bomb(40, 9), "alias bomb"),
    ("alias bomb in the model", bomb(40, 9) + "\nmodel: *a39", "alias bomb"),
    ("merge bomb", bomb(40, 9) + "\nmodel: {<<: [*a39]}", "alias bomb"),
    ("alias chain", chain(5000), "nest deeper"),
    ("alias of itself", "model: &m [*m]", "inside its own anchor"),
    ("merge of itself", "model: [nn.Tanh]\ndata: &d {<<: *d}", "inside its own anchor"),
    ("template bomb", templates(40, 9), "expand to more than"),
    ("template depth", NESTED_TEMPLATES, "nest deeper"),
    ("variable bomb", variables(40, "['${v?}', '${v?}']"), "expand to more than"),
    ("variable text bomb", variables(25, "'${v?}${v?}'"), "over 65,536 characters"),
    ("variable chain", variables(400, "'${v?}'"), "too deeply"),
    ("deep flow", "model: " + "[" * 5000, "not valid YAML|nested deeper"),
    ("deep mappings", "model: " + "{a: " * 5000, "not valid YAML|nested deeper"),
    ("deep blocks", "\n".join("  " * n + "a:" for n in range(500)), "nested deeper"),
    ("deep but legal YAML", "model: " + "[" * 120 + "]" * 120, "nested deeper"),
    ("python object", "model: !!python/object/apply:os.system ['touch pwned']", "Python object"),
    ("python name", "seed: !!python/name:os.system\nmodel: [nn.Tanh]", "Python object"),
    ("python module", "- !!python/module:os", "Python object"),
    ("python tuple", "- nn.View: !!python/tuple [1]", "Python object"),
    ("application tag", "- !layer {nn.Tanh: }", "tag !layer is unknown"),
    ("binary tag", "- !!binary aGk=", "tag !!binary is unknown"),
    ("set tag", "model: !!set {nn.Tanh: }", "tag !!set is unknown"),
    ("wrong integer tag", "seed: !!int x\nmodel: [nn.Tanh]", "tag !!int on 'x'"),
    ("undefined tag handle", "- !x!y z", "not valid YAML"),
    ("mapping as a key", "? {a: b}\n: c\nmodel: [nn.Tanh]", "a key is text"),
    ("huge integer", f"seed: {'9' * 5000}\nmodel: [nn.Tanh]", "whole number"),
    ("huge exponent", "- nn.Linear: [1e999, 2]", "whole number"),
    ("huge base 60", f"- nn.Dropout: [{'1:' * 400}1.5]", "probability"),
    ("odd integer", "seed: 0x_\nmodel: [nn.Tanh]", "whole number"),
    ("bad bits", "- modules.FullSparseLayer: {inputBits: 4096, outputFeatures: 1}", "from 1 to 63"),
    ("null key", "~: 1\nmodel: [nn.Tanh]", "unknown key '~'"),
    ("nul", "model: [nn.Tanh\0]", r"U\+0000 is not allowed"),
    ("surrogate", "model: [nn.Tanh\ud800]", r"U\+D800 is not allowed"),
    (
        "pattern",
        f"model: [nn.Tanh]\ndata: {{features: {{binary: ['{'(' * 5000}']}}}}",
        "expression",
    ),
    ("open placeholder", "model: [nn.Constant: ['${']]", "opens no placeholder"),
]


@pytest.mark.parametrize(
    ("text", "message"), [pytest.param(*case[1:], id=case[0]) for case in HOSTILE]
)
def test_a_hostile_document_is_refused(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message) as error:
        loads(text)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in error.value.problems)
    assert len(str(error.value)) < 20_000
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "line", "column", "message"),
    [
        (b"", 1, 1, "empty"),
        (b"# only a comment\n", 1, 1, "empty"),
        (b"---\n...\n", 1, 1, "empty"),
        (b"~", 1, 1, "empty"),
        (b"\xef\xbb\xbf", 1, 1, "empty"),
        (b"model:\n- nn.T\xffanh", 2, 7, "not UTF-8"),
        ("model: [nn.Tanh] # é".encode("latin-1"), 1, 20, "not UTF-8"),
        ("model: [nn.Tanh]".encode("utf-16"), 1, 1, "not UTF-8"),
        (b"a: b\nmodel: [nn.Tanh\x07]", 2, 16, "not allowed"),
        (b"#" * (16 * 2**20 + 1), 1, 1, "larger than"),
    ],
)
def test_bytes_that_are_no_document(data, line, column, message, tmp_path):
    path = tmp_path / "site.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message) as error:
        load(path)
    (problem,) = error.value.problems
    assert (problem.file, problem.line, problem.column) == (str(path), line, column)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_refused(kind, tmp_path):
    path = tmp_path / "site.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(ConfigError, match="cannot read the file"):
        load(path)
    main = tmp_path / "main.yaml"
    main.write_text("include: site.yaml\nmodel: [nn.Tanh]")
    with pytest.raises(ConfigError, match=r"cannot read 'site\.yaml'"):
        load(main)


def test_a_long_chain_of_includes_is_refused(tmp_path):
    for n in range(300):
        (tmp_path / f"{n}.yaml").write_text(f"include: {n + 1}.yaml\nmodel: [nn.Tanh]")
    with pytest.raises(ConfigError, match="includes deeper than 100 files"):
        load(tmp_path / "0.yaml")


PIECES = st.sampled_from(
    [
        *("model", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ", ", "nn.Linear", "nn.Tanh", "5"),
        *("${a}", "${", "}", "&a ", "*a", "<<", "!!int ", "!x ", "|", ">", "'", '"', "#", "? "),
        *("template", "name", "variables", "include", "layers", "splits", "modules.SplitLayer"),
        *("~", "-1", "---"),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(string.printable, max_size=60),
    st.lists(PIECES, max_size=25).map("".join),
    st.lists(PIECES, max_size=25).map("".join).map("model: [nn.Tanh]\n".__add__),
)


def problems_of(read):
    """The problems of a document, of which a refused one has at least one."""
    try:
        return read().model and ()
    except ConfigError as error:
        return error.problems or pytest.fail("refused without a reason")


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("include: .")
@example("include: '\0'")
def test_any_text_loads_or_is_refused_with_a_place(text):
    problems = problems_of(lambda: loads(text, name="/nonexistent/site.yaml"))
    assert all(problem.line >= 1 and problem.message for problem in problems)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_load_or_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    assert all(problem.file == str(path) for problem in problems_of(lambda: load(path)))
