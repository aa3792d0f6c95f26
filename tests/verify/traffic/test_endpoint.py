"""A service as v2: asked with the recorded bytes; a lost connection is data."""

import numpy as np
import pytest

from deepbird_v2.data import RecordBuffer, encode_predictions, feature_id
from verify.traffic import endpoint
from verify.traffic.verify import Options, verify_traffic
from verify.verdict import Status

ADDRESS = "thrift://127.0.0.1:9090"
OPTIONS = Options(columns=("prediction.score",))


class Service:
    """Stands in for a connection; `lost` requests end it."""

    connections = closed = 0

    def __init__(self, rows, v1, lost=(), short=False):
        self.rows, self.v1, self.lost, self.short = rows, v1, lost, short

    def __call__(self, address):
        assert address == ADDRESS
        self.connections += 1
        return self

    def answer(self, records):
        at = np.array([self.rows[record] for record in records])
        if np.isin(at, self.lost).any():
            raise ConnectionResetError("went away")
        answers = encode_predictions({feature_id("prediction.score"): self.v1[at]})
        return RecordBuffer.join(answers[: len(at) - self.short])

    def close(self):
        self.closed += 1


@pytest.fixture
def service(flights, monkeypatch):
    def make(**options):
        rows = {record: row for row, record in enumerate(flights.records)}
        made = Service(rows, flights.v1["prediction.score"], **options)
        monkeypatch.setattr(endpoint, "ServiceEngine", made)
        return made

    return make


def replay(flights, options=OPTIONS):
    return verify_traffic(flights.v1_file, flights.requests, ADDRESS, options=options)


def test_the_same_answers_pass(flights, service):
    made = service()
    report = replay(flights)
    assert report.verdict.status is Status.PASS, report.verdict.reason
    assert report.roles["v2"] == ADDRESS
    assert made.connections == made.closed == 1


def test_a_lost_connection_is_an_error_of_its_request_alone(flights, service):
    made = service(lost=(77,))
    verdict = replay(flights).verdict
    assert made.connections == made.closed > 1
    assert verdict.status is Status.FAIL
    assert "1 of 2,500 requests: ConnectionResetError" in verdict.reason


def test_the_worst_requests_are_asked_of_the_service_again(flights, service, tmp_path):
    service(lost=(77,))
    report = verify_traffic(
        flights.v1_file, flights.requests, ADDRESS, folder=tmp_path, options=OPTIONS
    )
    table = next(s for s in report.sections if s.title == "Worst requests").blocks[0]
    assert table.rows[0][-1].startswith("deepbird verify traffic --v1")
    assert table.rows[0][-1].endswith(f"--v2 {ADDRESS} --column prediction.score")


def test_too_few_answers_are_none(flights, service):
    service(short=True)
    verdict = replay(flights).verdict
    assert verdict.status is Status.FAIL
    assert "2,500 of 2,500" in verdict.reason


def test_outputs_of_a_service_must_be_named(flights, service):
    service()
    with pytest.raises(ValueError, match="--column"):
        replay(flights, Options())
