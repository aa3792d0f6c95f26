"""Training: one step at a time, with noise drawn by TensorFlow or replayed from Torch's stream."""

from __future__ import annotations

from deepbird_v2.training.replay import NoiseUse, Replay
from deepbird_v2.training.torch_stream import TorchStream
from deepbird_v2.training.trainer import Trainer

__all__ = ["NoiseUse", "Replay", "TorchStream", "Trainer"]
