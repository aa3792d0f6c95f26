"""Loops inside TensorFlow do what steps from Python do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.layers.dropout import WhiteNoise
from deepbird_v2.optimizers import ASGD, LBFGS, NAG, SGD, Adagrad, Adam
from deepbird_v2.training import Replay, TorchStream, Trainer
from deepbird_v2.training.trainer import LOOP
from record_models import batch, record_model

ROWS = 6


def record_batches(model: keras.Model, count: int) -> list[tuple[Any, np.ndarray]]:
    names = list(model.input)
    rng = np.random.default_rng(3)
    return [
        ({n: batch(ROWS, seed)[n] for n in names}, rng.normal(size=(ROWS, 1)).astype("float32"))
        for seed in range(count)
    ]


def as_dataset(batches: list[tuple[Any, np.ndarray]]) -> tf.data.Dataset:
    inputs = {
        name: tf.RaggedTensorSpec([None, None], x.dtype, row_splits_dtype=tf.int64)
        if isinstance(x, tf.RaggedTensor)
        else tf.TensorSpec([None, *x.shape[1:]], x.dtype)
        for name, x in batches[0][0].items()
    }
    signature = (inputs, tf.TensorSpec([None, 1], tf.float32))
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)


def trainer_of(model: keras.Model, optimizer: Any, *, torch_noise: bool = False) -> Trainer:
    def loss(outputs: Any, targets: Any) -> Any:
        return tf.reduce_mean((keras.tree.flatten(outputs)[0] - targets) ** 2)

    noise = {"replay": Replay(model), "stream": TorchStream(5)} if torch_noise else {}
    return Trainer(model, loss, optimizer, **noise)


def both_ways(make: Any, optimizer: Any, count: int, **options: Any) -> Iterator[list[Any]]:
    """Losses and variables after steps from Python, then after loops on a dataset."""
    for kind in (list, as_dataset):
        keras.utils.set_random_seed(1)
        model = make()
        trainer = trainer_of(model, optimizer(), **options)
        losses = list(trainer.run(kind(record_batches(model, count))))
        yield [np.array(losses), *[np.asarray(v) for v in model.trainable_variables]]


@pytest.mark.parametrize("torch_noise", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_a_dataset_is_trained_as_its_batches_are(split: bool, torch_noise: bool) -> None:
    def make() -> keras.Model:
        return record_model(split=split, rate=0.5 if torch_noise else 0.0)

    steps, loops = both_ways(make, lambda: Adagrad(0.1), 5, torch_noise=torch_noise)
    assert len(steps[0]) == len(loops[0]) == 5
    for one, other in zip(steps, loops, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "optimizer", [lambda: SGD(0.1), lambda: NAG(0.1), lambda: Adam(0.1), lambda: ASGD(0.1)]
)
def test_with_every_kind_of_state(optimizer: Any) -> None:
    steps, loops = both_ways(lambda: record_model(split=False), optimizer, 4)
    for one, other in zip(steps, loops, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def dense_model() -> keras.Model:
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1)(WhiteNoise(1.0, 0.5)(keras.layers.Dropout(0.5)(x)))
    return keras.Model({"x": x}, y)


def dense_batches(count: int) -> list[tuple[Any, np.ndarray]]:
    x = np.random.default_rng(2).normal(size=(count, ROWS, 3)).astype("float32")
    return [({"x": tf.constant(rows)}, rows[:, :1]) for rows in x]


def test_noise_is_drawn_in_the_order_of_the_batches() -> None:
    losses = []
    for kind in (list, as_dataset):
        keras.utils.set_random_seed(1)
        trainer = trainer_of(dense_model(), SGD(0.01), torch_noise=True)
        losses.append(list(trainer.run(kind(dense_batches(7)))))
    np.testing.assert_allclose(*losses, rtol=1e-6)


@pytest.mark.parametrize("count", [0, 1, LOOP - 1, LOOP, LOOP + 1, 2 * LOOP])
def test_every_batch_is_trained_once(count: int) -> None:
    trainer = trainer_of(dense_model(), SGD(0.0))
    data = as_dataset(dense_batches(2)).repeat().take(count)
    assert len(list(trainer.run(data))) == count
    assert int(trainer.optimizer.iterations) == count


def test_losses_arrive_while_it_trains() -> None:
    trainer = trainer_of(dense_model(), SGD(0.0))
    endless = as_dataset(dense_batches(2)).repeat()
    assert len(list(itertools.islice(trainer.run(endless), 3))) == 3
    assert int(trainer.optimizer.iterations) == LOOP


def test_minimizers_take_datasets_batch_by_batch() -> None:
    trainer = trainer_of(dense_model(), LBFGS(max_iter=2))
    assert len(list(trainer.run(as_dataset(dense_batches(3))))) == 3


def test_an_error_in_the_data_is_an_error_of_the_run() -> None:
    def broken() -> Iterator[tuple[Any, np.ndarray]]:
        yield from dense_batches(1)
        raise ValueError("record 7 is torn")

    inputs = {"x": tf.TensorSpec([None, 3])}
    data = tf.data.Dataset.from_generator(
        broken, output_signature=(inputs, tf.TensorSpec([None, 1]))
    )
    trainer = trainer_of(dense_model(), SGD(0.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="record 7 is torn"):
        list(trainer.run(data))
