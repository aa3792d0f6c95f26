"""Whole replays of the flights traffic. Each planted fault is named by the check meant for it."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepbird_v2.data import encode_predictions, feature_id, write_records
from deepbird_v2.data.feature_ids import string_keys
from verify.policy import Policy
from verify.report import write_report
from verify.traffic.slices import SliceError, parse_slice
from verify.traffic.verify import Options, verify_traffic
from verify.verdict import Stage, Status

UNITED = parse_slice("United: \"carrier.code\" = 'UA'")
LONG = parse_slice('long: "flight.distance" > 1000')
PASS, FAIL = Status.PASS, Status.FAIL
INCONCLUSIVE, NOT_COMPARABLE = Status.INCONCLUSIVE, Status.NOT_COMPARABLE
SLICED = Options(slices=(UNITED, LONG), group="flight.dest")


def replay(flights, model, options=SLICED, **more):
    return verify_traffic(flights.v1_file, flights.requests, model, options=options, **more)


def test_v1_with_float32_noise_passes_every_check(flights):
    report = replay(flights, flights.model())
    assert report.verdict.status is PASS, report.verdict.reason
    stages = {check.stage for check in report.verdict.checks}
    assert {Stage.JOIN, Stage.VALUES, Stage.LOGITS, Stage.RANKING, Stage.CALIBRATION} <= stages
    assert {Stage.SLICES, Stage.TRAFFIC, Stage.DISTRIBUTION, Stage.POLICY} <= stages
    titles = [section.title for section in report.sections]
    assert {"Replay", "Slices", "Order within requests", "Quality against labels"} <= set(titles)


def wrong(answers):
    rows = np.random.default_rng(1).choice(2500, 13, replace=False)
    answers["prediction.score"][rows] = np.abs(answers["prediction.score"][rows] - 0.31)


def swapped(answers):
    for values in answers.values():
        values[[40, 901]] = values[[901, 40]]


def shifted(answers):
    answers["prediction.score"] = np.roll(answers["prediction.score"], 1)


def all_shifted(answers):
    for name, values in answers.items():
        answers[name] = np.roll(values, -3)


def off_by_two_percent(answers):
    for values in answers.values():
        values *= 1.02
        np.clip(values, 0, 1, out=values)


def broken_slice(flights):
    united = flights.carrier == string_keys(feature_id("carrier.code"), [b"UA"])[0]
    assert 300 < united.sum() < 500

    def change(answers):
        for values in answers.values():
            values[united] = np.minimum(1, values[united] * 1.1 + 1e-3)

    return change


FAULTS = {
    "0.5 % wrong": (wrong, Stage.VALUES, "values: prediction.score: 13 of 2,500"),
    "two exchanged": (swapped, Stage.JOIN, "row 40 holds the answer to row 901"),
    "shifted": (shifted, Stage.JOIN, "shifted down by 1 row"),
    "one shifted": (shifted, Stage.JOIN, "not every output did: look at how this column"),
    "all shifted": (all_shifted, Stage.JOIN, "so did every output: one side lost or gained"),
    "calibration": (off_by_two_percent, Stage.CALIBRATION, "predicted/observed"),
    "a slice": (
        broken_slice,
        Stage.SLICES,
        "408 of its 408 answers are beyond the tolerance, 0 of",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_the_check_meant_for_it(flights, fault):
    change, stage, text = FAULTS[fault]
    change = change(flights) if change is broken_slice else change
    verdict = replay(flights, flights.model(change)).verdict
    assert verdict.status is FAIL
    assert stage in {check.stage for check in verdict.checks if check.status is FAIL}
    assert verdict.reason.startswith(f"{stage}: ")
    assert text in verdict.reason
    assert verdict.decisive.stage is stage
    if stage is not Stage.JOIN:
        assert "exchanged" not in verdict.reason


def test_wide_tolerances_leave_quality_and_slices_to_judge(flights, tmp_path):
    """A policy that accepts a change of scores still hears of its consequences."""
    path = tmp_path / "wide.yaml"
    path.write_text(
        "version: 1\ntolerances: [{family: prediction, atol: 1.0, reason: t}, "
        "{family: logit, atol: 32, reason: t}]\n"
    )

    def judged(change):
        return replay(flights, flights.model(change), policy=Policy.load(path)).verdict

    assert judged(None).status is PASS
    verdict = judged(off_by_two_percent)
    assert (verdict.status, verdict.decisive.stage) == (FAIL, Stage.CALIBRATION)
    shifted_slices = [c for c in judged(broken_slice(flights)).checks if c.stage is Stage.SLICES]
    assert [c.status for c in shifted_slices if c.name.startswith("United")] == [FAIL, FAIL]
    assert "moved by +1" in next(c.detail for c in shifted_slices if c.name.startswith("United"))


def with_margins(tmp_path, text):
    """Scores may differ by anything; what that costs is judged."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        "version: 1\n"
        "tolerances: [{family: prediction, atol: 1.0, reason: t}, "
        "{family: logit, atol: 32, reason: t}]\n"
        f"margins: [{text}]\n"
    )
    return Policy.load(path)


RATIO = "{measure: predicted_observed, by: 0.03, reason: t}"
SHIFT = "{measure: slice_shift, by: 0.03, reason: t}"
TIGHT = "{measure: auc, by: 0.0, reason: t}"
LOSS = "{measure: log_loss, by: 0.05, reason: t}"
ECE, RCE = LOSS.replace("log_loss", "ece"), LOSS.replace("log_loss, by: 0.05", "rce, by: 10")
WIDE = f"{RATIO}, {ECE}, {LOSS}, {RCE}"


@pytest.mark.parametrize(
    ("margins", "status", "reason"),
    [
        (f"{WIDE}, {SHIFT}", PASS, "every check"),
        (WIDE, FAIL, "slices: "),
        (f"{SHIFT}, {ECE}, {LOSS}, {RCE}", FAIL, "calibration: prediction.score: predicted/obs"),
        (f"{WIDE.replace('0.03', '0.019')}, {SHIFT}", FAIL, "allowed within ±0.019"),
        (
            f"{WIDE.replace('d,', 'd, output: prediction.score,')}, {SHIFT}",
            FAIL,
            "calibration: prediction.calibrated: predicted/observed",
        ),
    ],
)  # fmt: skip
def test_margins_of_a_policy_decide(flights, tmp_path, margins, status, reason):
    policy = with_margins(tmp_path, margins)
    verdict = replay(flights, flights.model(off_by_two_percent), policy=policy).verdict
    assert verdict.status is status, verdict.reason
    assert reason in verdict.reason
    assert [c.status for c in verdict.checks if c.name == "policy"] == [PASS]


@pytest.mark.parametrize(
    ("margins", "options", "unused"),
    [
        (SHIFT, Options(), "margin slice_shift of *"),
        ("{measure: auc, output: nowhere, by: 1, reason: t}", SLICED, "margin auc of nowhere"),
        (f"{TIGHT}, {TIGHT.replace('auc', 'auc, output: prediction.score')}", SLICED,
         "margin auc of prediction.score"),
    ],
)  # fmt: skip
def test_a_margin_that_nobody_checked_fails(flights, tmp_path, margins, options, unused):
    policy = with_margins(tmp_path, margins)
    verdict = replay(flights, flights.model(), options, policy=policy).verdict
    assert (verdict.status, verdict.decisive.stage) == (FAIL, Stage.POLICY)
    assert verdict.reason == f"policy: policy: {unused} was never used; remove or correct it"


def test_what_v2_fails_to_answer_is_data(flights, tmp_path):
    report = replay(flights, flights.model(broken=(7, 2499)), folder=tmp_path)
    verdict = report.verdict
    assert (verdict.status, verdict.decisive.stage) == (FAIL, Stage.TRAFFIC)
    assert "2 of 2,500 requests: RuntimeError: out of range" in verdict.reason
    stored = pq.read_table(tmp_path / "comparison.parquet").to_pydict()
    failed = [row for row, text in zip(stored["row"], stored["failure"], strict=True) if text]
    assert failed == [7, 2499]
    assert stored["prediction.score.beyond"][7]
    assert sorted(p.name for p in (tmp_path / "examples").iterdir()) == [
        "row-2499.requests.lzo", "row-2499.v1.lzo", "row-7.requests.lzo", "row-7.v1.lzo",
    ]  # fmt: skip


def test_a_model_that_answers_nothing(flights):
    verdict = replay(flights, flights.model(broken=tuple(range(2500)))).verdict
    assert verdict.status is FAIL
    assert "2,500 of 2,500" in verdict.reason


def test_a_request_that_cannot_be_read_is_data(flights, tmp_path):
    records = list(flights.records)
    records[3] = b"\x99\x00"
    write_records(tmp_path / "requests.lzo", records)
    verdict = verify_traffic(flights.v1_file, tmp_path / "requests.lzo", Blank(flights)).verdict
    assert verdict.status is FAIL
    assert "1 of 2,500 requests: cannot be read" in verdict.reason


class Blank:
    """Answers v1's scores in the order in which it is asked."""

    def __init__(self, flights):
        self.features, self.outputs, self.at = flights.features, tuple(flights.v1), 0
        self.v1 = flights.v1

    def predict(self, batch):
        rows = slice(self.at, self.at + len(batch))
        self.at += len(batch)
        return {name: values[rows] for name, values in self.v1.items()}


def test_worst_requests_are_stored_with_a_command_each(flights, tmp_path):
    report = replay(flights, flights.model(wrong), folder=tmp_path)
    table = next(s for s in report.sections if s.title == "Worst requests").blocks[0]
    assert len(table.rows) == 10
    assert all("deepbird verify inference --v1" in row[-1] for row in table.rows)
    ratios = [row[2] for row in table.rows]
    assert ratios == sorted(ratios, reverse=True)
    row = int(table.rows[0][0].split()[1])
    from deepbird_v2.data import read_records

    assert read_records(tmp_path / f"examples/row-{row}.requests.lzo")[0] == flights.records[row]


def test_slices_named_but_absent_small_or_misspelt(flights):
    def status(*slices, **more):
        return replay(flights, flights.model(), Options(slices=slices, **more)).verdict

    absent = status(parse_slice("none: \"carrier.code\" = 'ZZ'"))
    assert (absent.status, absent.decisive.stage) == (FAIL, Stage.SLICES)
    assert status(UNITED, minimum=409).status is INCONCLUSIVE
    assert status(UNITED, minimum=408).status is PASS
    for text, message in [
        ("bad: \"carrier.code\" = ", "slice 'bad'"),
        ("\"carrier.cod\" = 'UA'", "did you mean 'carrier.code'"),
        ("x: carrier.code = 'UA'", "double quotes"),
        ("out: EXISTS (SELECT 1 FROM read_text('/etc/hostname'))", "slice 'out'"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            status(parse_slice(text))


def test_without_duckdb_slices_say_what_to_install(flights, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(SliceError, match=r"pip install 'deepbird\[traffic\]'"):
        replay(flights, flights.model())
    assert replay(flights, flights.model(), Options()).verdict.status is PASS


def test_a_slice_for_every_value(flights):
    options = Options(slice_by=("carrier.code", "flight.distance", "flight.is_weekend"))
    report = replay(flights, flights.model(broken_slice(flights)), options)
    assert report.verdict.reason.startswith("slices: carrier.code = UA of prediction.")
    table = next(s for s in report.sections if s.title.startswith("Slices")).blocks[0]
    names = {row[0] for row in table.rows}
    assert {"carrier.code = UA", "carrier.code = B6"} <= names
    assert any(name.startswith("flight.distance in [") for name in names)


def test_v1_against_itself_is_the_noise_floor(flights, tmp_path):
    def repeat(scale):
        rng = np.random.default_rng(2)
        noisy = {n: v + rng.uniform(-scale, scale, len(v)) for n, v in flights.v1.items()}
        path = tmp_path / f"{scale}.lzo"
        write_records(path, encode_predictions({feature_id(n): v for n, v in noisy.items()}))
        return path

    quiet = replay(flights, flights.model(), v1_repeat=repeat(1e-7))
    assert quiet.verdict.status is PASS, quiet.verdict.reason
    assert quiet.roles["v1_repeat"].endswith("lzo")
    # v2 is off by what v1 is off from itself: nothing can be said
    loud = replay(flights, flights.model(noise=8e-6), Options(), v1_repeat=repeat(1e-5))
    assert loud.verdict.status is INCONCLUSIVE, loud.verdict.reason
    far = replay(flights, flights.model(wrong), Options(), v1_repeat=repeat(1e-5))
    assert far.verdict.status is FAIL


@pytest.mark.parametrize("cut", [slice(0, 2499), slice(0, 0)])
def test_another_number_of_answers_is_not_comparable(flights, tmp_path, cut):
    path = tmp_path / "v1.lzo"
    short = {feature_id(n): v[cut] for n, v in flights.v1.items()}
    write_records(path, encode_predictions(short))
    verdict = verify_traffic(path, flights.requests, flights.model()).verdict
    assert verdict.status is NOT_COMPARABLE
    assert "2,500 requests and" in verdict.reason


def test_an_output_that_v1_never_answered(flights):
    model = flights.model()
    model.answers["prediction.other"] = model.answers["prediction.score"]
    verdict = replay(flights, model).verdict
    assert verdict.status is NOT_COMPARABLE
    assert "prediction.other" in verdict.reason


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_answers_in_tables_with_their_own_groups(flights, tmp_path, suffix):
    from verify.save_predictions import save_predictions

    path = tmp_path / f"v1{suffix}"
    groups = np.arange(2500) // 10
    save_predictions(path, flights.v1 | {"group": groups})
    report = verify_traffic(path, flights.requests, flights.model())
    assert report.verdict.status is PASS, report.verdict.reason
    section = next(s for s in report.sections if s.title == "Order within requests")
    assert section.blocks[0].items["requests"] == 250


def test_a_recording_holds_requests_and_answers(flights, tmp_path):
    path = tmp_path / "recording.parquet"
    pq.write_table(pa.table({"record": list(flights.records), **flights.v1}), path)
    report = verify_traffic(path, path, flights.model(), options=Options(slices=(UNITED,)))
    assert report.verdict.status is PASS, report.verdict.reason


def test_sampled_traffic_still_checks_every_value(flights):
    options = Options(group="flight.dest", most_rows=600)
    report = replay(flights, flights.model(), options)
    assert report.verdict.status is PASS, report.verdict.reason
    assert any("all 2,500 answers" in check.detail for check in report.verdict.checks)

    def one(answers):
        answers["prediction.score"][1234] += 0.01

    assert replay(flights, flights.model(one), options).verdict.status is FAIL


def test_the_sequential_test_ends_a_hopeless_replay(flights, monkeypatch):
    from verify.traffic import records
    from verify.traffic import replay as replaying

    monkeypatch.setattr(replaying, "record_chunks", lambda path: records.record_chunks(path, 100))
    options = Options(allowed_rate=0.01)
    report = replay(flights, flights.model(off_by_two_percent), options)
    assert report.verdict.status is FAIL
    facts = next(s for s in report.sections if s.title == "Replay").blocks[0].items
    assert facts["stopped early"]
    assert facts["requests"] < 2500
    fine = replay(flights, flights.model(), options)
    assert fine.verdict.status is PASS
    assert replay(flights, flights.model(), Options(allowed_rate=1e-4)).verdict.status is (
        INCONCLUSIVE
    )


def test_equal_traffic_gives_equal_reports(flights, tmp_path):
    texts = []
    for name in ("a", "b"):
        report = replay(flights, flights.model(broken_slice(flights)))
        paths = write_report(report, tmp_path / name)
        texts.append({fmt: path.read_text() for fmt, path in paths.items()})
    assert texts[0] == texts[1]
    assert json.loads(texts[0]["json"])["verdict"]["status"] == "FAIL"
