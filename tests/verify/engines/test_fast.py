"""Converted models by serving's fast backends, in Torch's form; what cannot be run is an error."""

import numpy as np
import pytest

from deepbird_v2.serving.errors import CannotRunError
from verify.engines.fast import through_backend
from verify.golden import CHECKS, Case, GoldenPolicy, run_check

POLICY = GoldenPolicy.load()


def checked(folder, backend):
    check = next(check for check in CHECKS if check.name == backend)
    return run_check(Case(folder), check, POLICY)


@pytest.mark.parametrize(
    ("case", "compiled", "litert"),
    [
        ("models/mlp_prelu_sigmoid", "pass", "pass"),
        ("models/split_network", "pass", "pass"),  # several inputs
        ("models/lenet", "excluded", "pass"),
        ("models/temporal_text_cnn", "excluded", "pass"),  # indices
        ("models/residual_mlp", "excluded", "excluded"),  # float64
        ("models/sparse_first", "excluded", "excluded"),
        ("modules/SplitTable", "excluded", "pass"),  # a table of outputs
        ("modules/OneHot", "excluded", "excluded"),
        ("criteria/MSECriterion_avg_true", "excluded", "pass"),
        ("criteria/ClassNLLCriterion_avg_true", "excluded", "excluded"),
    ],
)
def test_torchs_answer_or_an_exclusion_that_says_why(golden, case, compiled, litert):
    for backend, status in (("compiled", compiled), ("litert", litert)):
        result = checked(golden / case, backend)
        assert result.status == status, result.detail
        if status == "excluded":
            what, _, reason = result.detail.partition(": ")
            assert what
            assert reason == POLICY.exclusion(backend, case, "no_kernel")
        else:
            assert result.ratio <= 1


@pytest.mark.parametrize("backend", ["compiled", "litert"])
def test_a_wrong_answer_fails(golden, monkeypatch, backend):
    from deepbird_v2.serving.backends import CompiledBackend
    from deepbird_v2.serving.litert import LiteRTBackend

    cls = {"compiled": CompiledBackend, "litert": LiteRTBackend}[backend]
    honest = cls.run

    def run(self, inputs):
        return {name: y + np.float32(1e-4) for name, y in honest(self, inputs).items()}

    monkeypatch.setattr(cls, "run", run)
    result = checked(golden / "models/mlp_prelu_sigmoid", backend)
    assert result.status == "fail"
    assert "times what is allowed" in result.detail


def test_what_cannot_be_run_is_named_without_the_names_of_layers(golden):
    case = Case(golden / "models/lenet")
    with pytest.raises(CannotRunError) as caught:
        through_backend("compiled", case.converted, case.inputs)
    assert caught.value.what == "a Transpose"
    assert str(caught.value) != caught.value.what  # it has the layer's name, too
