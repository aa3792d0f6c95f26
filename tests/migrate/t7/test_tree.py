"""What is in a file, by path."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from migrate import t7
from migrate.t7 import Table, TorchObject
from migrate.t7.tree import classes, tensors

GOLDEN = Path(__file__).parents[3] / "golden"


def linear(weight: np.ndarray) -> TorchObject:
    return t7.load(t7.dumps(TorchObject("nn.Linear", 1, Table(weight=weight, bias=weight[0]))))


def checkpoint() -> Table:
    weight = np.ones((2, 3), np.float32)
    model = TorchObject(
        "nn.Sequential", 1, Table(modules=Table({1.0: linear(weight), 2.0: TorchObject("nn.ReLU")}))
    )
    own = TorchObject("my.Layer", 1, Table(output=None, gradInput=None))
    loss = TorchObject("nn.MSECriterion", 1, Table(output=0.0, gradInput=None))
    trainer = TorchObject("my.Trainer", 1, Table(net=own, loss=loss))
    return Table(epoch=3.0, nets=Table({1.0: model, 2.0: model}), trainer=trainer)


def test_models_are_found_wherever_they_sit() -> None:
    found = t7.find_modules(checkpoint())
    assert [(path, item.class_name) for path, item in found] == [
        ("nets[1]", "nn.Sequential"),
        ("trainer.net", "my.Layer"),
    ]
    assert t7.find_modules(found[0][1]) == [("", found[0][1])]
    assert t7.find_modules(Table(a=1.0)) == []


def test_losses_are_found_beside_models_not_inside() -> None:
    found = t7.find_criteria(checkpoint())
    assert [(path, item.class_name) for path, item in found] == [
        ("trainer.loss", "nn.MSECriterion")
    ]


def test_classes_by_path() -> None:
    assert classes(checkpoint()) == {
        "nn.Sequential": ["nets[1]"],
        "nn.Linear": ["nets[1].modules[1]"],
        "nn.ReLU": ["nets[1].modules[2]"],
        "my.Trainer": ["trainer"],
        "my.Layer": ["trainer.net"],
        "nn.MSECriterion": ["trainer.loss"],
    }


def test_tensors_by_path() -> None:
    found = {info.path: info for info in tensors(checkpoint())}
    weight = found["nets[1].modules[1].weight"]
    assert (weight.shape, weight.dtype, weight.bytes) == ((2, 3), np.float32, 24)
    assert weight.class_name == "torch.FloatTensor"
    assert weight.shares is None


def test_shared_storages_are_told() -> None:
    found = tensors(t7.load(GOLDEN / "io/shared_storage/object.t7"))
    paths = {info.path for info in found}
    assert any(info.shares in paths for info in found)


def test_a_container_is_met_once() -> None:
    value = t7.load(GOLDEN / "io/cyclic_tables/object.t7")
    walked = list(t7.walk(value))
    assert walked[0] == ("", value)
    assert len({id(item) for _, item in walked}) == len(walked)


def test_paths_of_odd_keys() -> None:
    inner = [Table() for _ in range(6)]
    keys = ["a b", 2.5, -1.0, t7.BoolKey.TRUE, "x" * 99, Table()]
    paths = [path for path, _ in t7.walk(Table(zip(keys, inner, strict=True)))]
    long = "[" + repr("x" * 99) + "]"
    assert paths[1:5] == ["['a b']", "[2.5]", "[-1]", "[true]"]
    assert len(paths[5]) < len(long)
    assert paths[6:] == ["[key table]", "[<table>]"]
