"""Which check a failed verdict leads with."""

import pytest

from verify.explain import explained
from verify.verdict import Check, Stage, Status

VALUES = Check("score", Stage.VALUES, Status.FAIL, "many differ", {"count": 100, "mismatched": 3})
SHIFTED = Check(
    "score",
    Stage.VALUES,
    Status.FAIL,
    "all are larger",
    {"count": 100, "mismatched": 90, "bias_share": 1.0},
)
SCATTERED = Check(
    "score",
    Stage.VALUES,
    Status.FAIL,
    "all differ",
    {"count": 100, "mismatched": 90, "bias_share": 0.5},
)
LAYER = Check("layers", Stage.VALUES, Status.FAIL, "layer 3", {"layer": "net.3"})
CALIBRATION = Check("score", Stage.CALIBRATION, Status.FAIL, "mean is off by 2 %")
OTHERS = Check("calibrated", Stage.CALIBRATION, Status.FAIL, "of another column")
SLICE = Check("carrier = 'UA'", Stage.SLICES, Status.FAIL, "some differ")
GATHERED = Check("carrier = 'UA'", Stage.SLICES, Status.FAIL, "all of them", {"gathered": True})
SHIFT = Check("responses", Stage.TRAFFIC, Status.FAIL, "shifted by one request")
JOIN = Check("rows", Stage.JOIN, Status.FAIL, "half are missing")


@pytest.mark.parametrize(
    ("checks", "decisive"),
    [
        ([VALUES], VALUES),
        ([VALUES, LAYER], LAYER),
        ([VALUES, SLICE], SLICE),
        ([VALUES, GATHERED, LAYER], LAYER),
        ([SHIFTED, CALIBRATION, GATHERED], GATHERED),
        ([SHIFTED, CALIBRATION, SLICE], CALIBRATION),
        ([SCATTERED, CALIBRATION], SCATTERED),
        ([VALUES, CALIBRATION], VALUES),
        ([SHIFTED, OTHERS], SHIFTED),
        ([VALUES, SHIFT], SHIFT),
        ([JOIN, VALUES, LAYER], JOIN),
    ],
)
def test_the_cause_leads(checks, decisive):
    verdict = explained(checks)
    assert verdict.status is Status.FAIL
    assert verdict.decisive is decisive
    assert decisive.detail in verdict.reason
    assert checks[0].detail in verdict.reason, "what is seen first is told beside the cause"
    assert explained(checks[::-1]).decisive is decisive, "whatever the order"


def test_what_passed_explains_nothing():
    passed = Check("layers", Stage.VALUES, Status.PASS, "same", {"layer": "net.3"})
    assert explained([VALUES, passed]).decisive is VALUES
    assert explained([passed]).status is Status.PASS
