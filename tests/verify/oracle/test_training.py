"""The oracle's loop with modules that change, reshape or withhold their parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import migrate
from migrate import t7
from migrate.flat import FlatLayout
from migrate.graph import build, parameters
from migrate.t7.objects import Table, TorchObject
from verify.oracle.base import OracleError
from verify.oracle.training import OracleTraining

MODULES = Path(__file__).parents[3] / "golden" / "modules"


def training(case: str, method: str, **options: float) -> tuple[OracleTraining, np.ndarray]:
    """The loop over one recorded module, and a target that its output never reaches."""
    module = build(t7.load(MODULES / case / "model.t7"))
    criterion = build(TorchObject("nn.MSECriterion", 1, Table({"sizeAverage": True})))
    layout = FlatLayout.of(parameters(module))
    target = migrate.load_t7(MODULES / case / "output_train.t7") + 1
    return OracleTraining(module, criterion, method, options, layout), target


def test_rows_bounded_by_the_forward_pass_stay_so() -> None:
    """LookupTable's maxNorm changes the flat vector itself, before the update."""
    loop, target = training("LookupTable_maxnorm", "sgd", learningRate=0.0)
    loop.step(migrate.load_t7(MODULES / "LookupTable_maxnorm" / "input.t7"), target)
    after = migrate.load_t7(MODULES / "LookupTable_maxnorm" / "params_after_train_forward.t7")
    np.testing.assert_allclose(loop.x, np.ravel(after[0]), rtol=1e-6)


def test_weights_of_another_shape_in_the_file() -> None:
    loop, target = training("SpatialDepthWiseConvolution", "sgd", learningRate=0.01)
    inputs = migrate.load_t7(MODULES / "SpatialDepthWiseConvolution" / "input.t7")
    first, second = (loop.step(inputs, target)[0] for _ in range(2))
    assert second < first


def test_modules_with_update_rules_of_their_own_are_refused() -> None:
    with pytest.raises(OracleError, match="weight: Torch updates it entry by entry"):
        training("IndexLinear_normalize", "sgd")
