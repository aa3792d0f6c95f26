"""Includes, variables, templates, merge keys: what a document amounts to."""

from __future__ import annotations

import pytest

from legacy_yaml import ConfigError, load, loads


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / "main.yaml"


def args(config, index=0):
    return dict(config.model[index].args)


class TestVariables:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [("24", 24), ("1e-1", 0.1), ("0x10", 16), ("'24'", "24"), ("yes", True), ("${other}", 7)],
    )
    def test_a_lone_placeholder_takes_the_type_of_its_variable(self, written, expected):
        text = f"variables: {{v: {written}, other: 7}}\nmodel: [nn.Constant: ['${{v}}']]"
        if isinstance(expected, str | bool):
            with pytest.raises(ConfigError, match="wants a number"):
                loads(text)
        else:
            assert args(loads(text)) == {"value": expected}

    def test_inside_a_longer_text_it_is_text(self):
        text = "variables: {day: 04, n: 3}\nmodel: [nn.Tanh]\ndata: {train: [/d/${day}/${n}.lzo]}"
        assert loads(text).data.train == ("/d/04/3.lzo",)

    def test_a_variable_may_be_a_list(self):
        text = "variables: {names: [a, b]}\nmodel: [nn.Tanh]\ndata: {labels: ${names}}"
        assert loads(text).data.labels == ("a", "b")

    def test_placeholders_stand_in_keys_and_in_unquoted_flow_style(self):
        text = "variables: {kind: Tanh, w: 4}\nmodel: [{'nn.${kind}': }, {nn.Linear: [${w}, 2]}]"
        config = loads(text)
        assert config.model[0].class_name == "nn.Tanh"
        assert args(config, 1)["inputSize"] == 4

    def test_a_doubled_dollar_keeps_the_characters(self):
        text = "model: [nn.Tanh]\ndata: {labels: ['$${a}', 'x$${b', '^a$']}"
        assert loads(text).data.labels == ("${a}", "x${b", "^a$")

    @pytest.mark.parametrize("value", ["32", 32, "32.0"])
    def test_set_overrides_a_default(self, value):
        text = "variables: {w: 8}\nmodel:\n- nn.Linear: [${w}, 2]"
        config = loads(text, set={"w": value})
        assert args(config)["inputSize"] == 32
        assert config.variables == {"w": 32}

    def test_set_defines_a_variable_without_default(self):
        assert args(loads("- nn.Linear: [${w}, 2]", set={"w": "5"}))["inputSize"] == 5

    def test_set_of_a_variable_that_nothing_mentions_is_a_mistake(self):
        with pytest.raises(ConfigError, match="no variable 'widht'") as error:
            loads("variables: {width: 8}\nmodel: [nn.Tanh]", set={"widht": "9"})
        assert error.value.problems[0].suggestion == "width"


class TestTemplates:
    TOWER = """\
templates:
  tower:
    - nn.Linear: [${in}, ${out}]
    - nn.Tanh
  two:
    - template: {name: tower, with: {in: 5, out: ${middle}}}
    - template: {name: tower, with: {in: ${middle}, out: 2}}
"""

    def test_a_call_becomes_the_layers_of_the_template(self):
        config = loads(
            self.TOWER + "model: [template: {name: tower, with: {in: 5, out: 3}}, nn.ReLU]"
        )
        assert [layer.class_name for layer in config.model] == ["nn.Linear", "nn.Tanh", "nn.ReLU"]
        assert [layer.path for layer in config.model] == [
            "model[0].nn.Linear", "model[1].nn.Tanh", "model[2].nn.ReLU"
        ]  # fmt: skip
        assert (config.model[0].mark.line, config.model[2].mark.line) == (3, 8)

    def test_templates_nest_and_inner_ones_see_outer_variables(self):
        text = self.TOWER + "model: [template: {name: two, with: {middle: 4}}]"
        assert [args(loads(text), i).get("outputSize") for i in (0, 2)] == [4, 2]

    def test_with_wins_over_variables(self):
        text = "variables: {in: 9, out: 8}\n" + self.TOWER
        config = loads(text + "model: [template: {name: tower, with: {in: 5}}]")
        assert args(config)["inputSize"] == 5
        assert args(config)["outputSize"] == 8

    def test_mutual_recursion_names_the_chain(self):
        text = "templates: {a: [template: {name: b}], b: [template: {name: a}]}\n"
        text += "model: [template: {name: a}]"
        with pytest.raises(ConfigError, match="template recursion: a -> b -> a"):
            loads(text)


class TestIncludes:
    def test_includes_come_first_and_mappings_merge_by_key(self, tmp_path):
        main = write(
            tmp_path,
            base="seed: 1\nvariables: {w: 4, h: 2}\noptimization: {method: sgd, learningRate: 0.5}",
            main="include: base.yaml\nvariables: {w: 6}\noptimization: {learningRate: 0.1}\n"
            "model:\n- nn.Linear: [${w}, ${h}]",
        )
        config = load(main)
        assert (config.seed, config.name) == (1, "main")
        assert args(config)["inputSize"] == 6
        assert config.optimization.options == {"learningRate": 0.1}

    def test_later_includes_win_and_paths_are_relative_to_the_including_file(self, tmp_path):
        (tmp_path / "sub").mkdir()
        write(tmp_path / "sub", a="include: deeper.yaml", deeper="seed: 3\nmodel: [nn.Tanh]")
        main = write(tmp_path, b="seed: 4", main="include: [sub/a.yaml, b.yaml]")
        assert load(main).seed == 4
        assert load(main).model[0].mark.file.endswith("deeper.yaml")

    def test_a_file_included_twice_is_no_cycle(self, tmp_path):
        main = write(
            tmp_path, x="seed: 1", a="include: x.yaml", b="include: x.yaml",
            main="include: [a.yaml, b.yaml]\nmodel: [nn.Tanh]",
        )  # fmt: skip
        assert load(main).seed == 1

    def test_the_name_of_an_include_may_hold_variables(self, tmp_path):
        main = write(
            tmp_path, ranking="seed: 5",
            main="variables: {what: x, b: '${c}'}\ninclude: '${what}.yaml'\nmodel: [nn.Tanh]",
            x="variables: {c: 1}",
        )  # fmt: skip
        assert load(main, set={"what": "ranking", "c": "2"}).seed == 5
        assert load(main).variables == {"c": 1, "what": "x", "b": 1}

    def test_an_included_list_is_the_model(self, tmp_path):
        main = write(tmp_path, layers="- nn.Tanh", main="include: layers.yaml\nseed: 1")
        assert load(main).model[0].class_name == "nn.Tanh"

    def test_a_cycle_is_reported_with_its_chain(self, tmp_path):
        main = write(tmp_path, a="include: main.yaml", main="include: a.yaml\nmodel: [nn.Tanh]")
        with pytest.raises(
            ConfigError, match=r"include cycle: main.yaml -> a.yaml -> main.yaml"
        ) as error:
            load(main)
        (problem,) = error.value.problems
        assert (problem.file, problem.line, problem.column) == (str(tmp_path / "a.yaml"), 1, 10)

    def test_problems_name_the_file_they_are_in(self, tmp_path):
        main = write(tmp_path, a="- nn.Tann", main="include: [a.yaml, gone.yaml]\nseed: x")
        with pytest.raises(ConfigError) as error:
            load(main)
        assert [p.file.rpartition("/")[2] for p in error.value.problems] == [
            "a.yaml",
            "main.yaml",
            "main.yaml",
        ]
        assert "No such file" in str(error.value)

    @pytest.mark.parametrize("value", ["5", "{a: b}", "[[a]]", "''"])
    def test_an_include_is_the_name_of_a_file(self, value):
        with pytest.raises(ConfigError, match="wants the name of a file"):
            loads(f"include: {value}\nmodel: [nn.Tanh]")


class TestYaml:
    def test_anchors_aliases_and_merge_keys(self):
        text = """\
model:
  - modules.FullDenseLayer: &first {inputFeatures: 4, outputFeatures: 4, dropout: 0.1}
  - modules.FullDenseLayer: {<<: *first, dropout: 0.2}
  - modules.FullDenseLayer: {<<: [{dropout: 0.3}, *first], activations: ReLU}
  - modules.FullDenseLayer: *first
"""
        config = loads(text)
        assert [layer.args["dropout"] for layer in config.model] == [0.1, 0.2, 0.3, 0.1]

    @pytest.mark.parametrize("text", ["yes", "on", "True", "true"])
    def test_yaml_1_1_booleans(self, text):
        assert loads(f"model: [nn.ReLU: [{text}]]").model[0].args["inplace"] is True

    @pytest.mark.parametrize("text", ["1e-3", "1E-3", "0.001", "1.0e-3", ".001", "+1e-3"])
    def test_floats_without_a_point_are_numbers(self, text):
        config = loads(f"model: [nn.Tanh]\noptimization: {{method: sgd, learningRate: {text}}}")
        assert config.optimization.options["learningRate"] == 0.001

    def test_a_byte_order_mark_is_skipped(self, tmp_path):
        (tmp_path / "m.yaml").write_bytes(b"\xef\xbb\xbf- nn.Tanh\n- nn.Tann")
        with pytest.raises(ConfigError) as error:
            load(tmp_path / "m.yaml")
        assert (error.value.problems[0].line, error.value.problems[0].column) == (2, 3)
