"""The service, in a second process, asked by thriftpy2 and by our own client."""

import asyncio
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
import thriftpy2
from thriftpy2.protocol import TBinaryProtocolFactory
from thriftpy2.rpc import make_client
from thriftpy2.thrift import TApplicationException
from thriftpy2.transport import TBufferedTransportFactory, TFramedTransportFactory

from deepbird_v2.data import Batch, decode_predictions, feature_id, idl_path
from deepbird_v2.serving import wire
from deepbird_v2.serving.batcher import Batcher
from deepbird_v2.serving.client import Client, ServiceError

# A model without TensorFlow: the service needs only what a predictor offers.
SERVER = """
import asyncio, sys
import numpy as np
from deepbird_v2.data import FeatureConfig, encode_predictions, feature_id
from deepbird_v2.data.features import Feature

class Predictor:
    name, choice, features = "sums", "by hand", FeatureConfig((Feature(11), Feature(5)))
    def predict(self, batch):
        if (batch.value > 1e6).any():
            raise ArithmeticError("too large")
        sums = [batch.value[a:b].sum() for a, b in zip(batch.row_splits, batch.row_splits[1:])]
        return {"prediction.score": np.array(sums)}
    def encode(self, scores):
        return encode_predictions({feature_id(k): v for k, v in scores.items()})

sys.modules["deepbird_v2.serving.predictor"] = type(sys)("stub")
sys.modules["deepbird_v2.serving.predictor"].Predictor = Predictor
from deepbird_v2.serving.service import Service

async def main():
    async with Service(Predictor(), largest=1 << 20).listen("127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

asyncio.run(main())
"""
SCORE = feature_id("prediction.score")


@pytest.fixture(scope="module")
def port():
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline())
        process.terminate()


@pytest.fixture(scope="module")
def idl():
    return thriftpy2.load(str(idl_path("prediction_service")), module_name="prediction_thrift")


@pytest.fixture(params=["framed", "buffered"])
def thrift(request, port, idl):
    factory = {"framed": TFramedTransportFactory, "buffered": TBufferedTransportFactory}
    client = make_client(
        idl.PredictionService, "127.0.0.1", port, timeout=20_000,
        proto_factory=TBinaryProtocolFactory(), trans_factory=factory[request.param](),
    )  # fmt: skip
    yield client
    client.close()


def record(idl, **values):
    return idl.data.DataRecord(continuousFeatures={int(k[1:]): v for k, v in values.items()})


def test_a_thrift_client_gets_predictions(thrift, idl):
    request = idl.BatchPredictionRequest(
        individualFeaturesList=[record(idl, f11=1.5), record(idl, f11=2.0, f99=7.0)],
        commonFeatures=record(idl, f5=10.0),
    )
    for _ in range(3):  # one connection, several calls
        answer = thrift.getBatchPrediction(request)
        assert [p.continuousFeatures[SCORE] for p in answer.predictions] == [11.5, 12.0]
    single = thrift.getPrediction(idl.PredictionRequest(features=record(idl, f11=4.0)))
    assert single.prediction.continuousFeatures == {SCORE: 4.0}


def test_no_records_give_no_predictions(thrift, idl):
    request = idl.BatchPredictionRequest(individualFeaturesList=[])
    assert thrift.getBatchPrediction(request).predictions == []


def test_a_failing_model_is_thrift_s_own_exception(thrift, idl):
    bad = idl.BatchPredictionRequest(individualFeaturesList=[record(idl, f11=1e9)])
    with pytest.raises(TApplicationException, match="too large"):
        thrift.getBatchPrediction(bad)
    good = idl.BatchPredictionRequest(individualFeaturesList=[record(idl, f11=1.0)])
    assert len(thrift.getBatchPrediction(good).predictions) == 1


@pytest.mark.parametrize("framed", [True, False])
def test_records_go_as_bytes(port, framed):
    one = b"\x0d\x00\x02\x0a\x04\x00\x00\x00\x01" + (11).to_bytes(8, "big")
    one += np.array(2.5, ">f8").tobytes() + b"\x00"
    with Client("127.0.0.1", port, framed=framed) as client:
        read = decode_predictions(client.batch([one, b"\x00", one]))
        np.testing.assert_array_equal(read[SCORE], [2.5, 0.0, 2.5])
        assert len(client.batch([one] * 3000)) == 3000
        with pytest.raises(ServiceError, match="record 0, byte"):
            client.batch([b"\x63\x00\x01\x00" if framed else b"\x0b\x00\x01\x00\x00\x00\x00\x00"])
        assert len(client.batch([one])) == 1


def test_an_unknown_method_is_named(port):
    with Client("127.0.0.1", port) as client:
        with pytest.raises(ServiceError, match="unknown method"):
            client._ask("getWeather", b"\x00")
        assert len(client.batch([b"\x00"])) == 1


@pytest.mark.parametrize("sent", [b"\x7f\xff\xff\xff", b"\x80\x02\x00\x01\x00\x00\x00\x00\x00"])
def test_what_is_no_message_ends_the_connection(port, sent):
    with Client("127.0.0.1", port) as client:
        client._socket.sendall(sent)
        assert client._socket.recv(10) == b""
    with Client("127.0.0.1", port) as client:  # and only that one
        assert len(client.batch([b"\x00"])) == 1


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


def test_health_and_metrics(port):
    assert get(port, "/health").startswith("ok\nmodel sums\n")

    def total(name):
        lines = dict(line.rsplit(" ", 1) for line in get(port, "/metrics").splitlines())
        return int(lines[f"deepbird_{name}_total"])

    before = total("records"), total("requests")
    with Client("127.0.0.1", port) as client:
        client.batch([b"\x00"] * 5)
    assert (total("records"), total("requests")) == (before[0] + 5, before[1] + 1)
    with pytest.raises(urllib.request.HTTPError):
        get(port, "/nothing")


def batch(*values):
    n = len(values)
    ints, none = np.zeros(n, np.int64), np.zeros((n, 0), np.float32)
    return Batch(np.arange(n + 1), ints, np.array(values, float), ints, np.zeros(n, np.uint8),
                 none, none)  # fmt: skip


def test_waiting_requests_share_a_batch():
    seen = []

    def predict(together):
        seen.append(len(together))
        return {"score": together.value * 2}

    async def main():
        batcher = Batcher(predict, most=4)
        answers = [asyncio.create_task(batcher.submit(batch(*r))) for r in ([1, 2], [3], [4, 5])]
        await asyncio.sleep(0)
        runner = asyncio.create_task(batcher.run())
        scores = [(await answer)["score"].tolist() for answer in answers]
        runner.cancel()
        return scores

    assert asyncio.run(main()) == [[2, 4], [6], [8, 10]]
    assert seen == [3, 2]


@pytest.mark.parametrize("strict", [True, False])
def test_messages_are_measured_byte_by_byte(strict):
    data = wire.call("getPrediction", b"\x0c\x00\x01\x00\x00", 7)
    if not strict:
        old = wire.Message("getPrediction", wire.Kind.CALL, 7, 0, strict=False)
        data = old.header(wire.Kind.CALL) + data[wire.parse(data).body :]
    message = wire.parse(data)
    assert (message.name, message.sequence, message.strict) == ("getPrediction", 7, strict)
    assert [wire.size_of(data[:n]) for n in range(len(data))] == [None] * len(data)
    assert wire.size_of(data + b"more") == len(data)


@pytest.mark.parametrize(
    "request_", [b"\x0f\x00\x01\x0c\x00\x00\x00\x02\x00\x00\x00",
                 b"\x0f\x00\x01\x0c\x00\x00\x00\x00\x00",
                 b"\x0f\x00\x01\x0c\x00\x00\x00\x01\x00\x0c\x00\x02\x00\x00",
                 b"\x0c\x00\x02\x00\x0f\x00\x01\x0c\x00\x00\x00\x00\x00"],
)  # fmt: skip
def test_batches_are_measured_whatever_their_fields(request_):
    data = wire.call("getBatchPrediction", request_)
    assert [wire.size_of(data[:n]) for n in range(len(data))] == [None] * len(data)
    assert wire.size_of(data + data) == len(data)
