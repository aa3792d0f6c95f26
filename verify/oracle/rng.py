"""Torch's random stream: MT19937, and what Torch makes of its draws.

Every distribution draws from the one stream in the order in which Torch fills a tensor, computes
in double, and rounds to the tensor's element type; the parameters are rounded to it before, as
Torch's tensor methods take them in that type. Logarithms and angles come from :mod:`math`,
because NumPy's vector versions differ from libm's in the last bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Generator", "RandomError"]

Array: TypeAlias = np.ndarray[Any, Any]
Size: TypeAlias = int | tuple[int, ...]

N: Final = 624  # words of the Mersenne twister's state
TWO_PI: Final = 2.0 * math.pi

# C layout of `THGenerator`, the bytes of torch.getRNGState(): 5048 of them on a 64-bit machine.
STATE: Final = np.dtype(
    [
        ("initial_seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("state", "<u8", (N,)),
        ("normal_x", "<f8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("normal_is_valid", "<i4"),
        ("padding", "<i4"),
    ]
)

# Without bounds a tensor's `random` gives 0 .. n-1, n by element type.
RANDOM_RANGE: Final = {
    "uint8": 1 << 8,
    "int8": 1 << 7,
    "int16": 1 << 15,
    "int32": 1 << 31,
    "int64": 1 << 63,
    "float32": (1 << 24) + 1,
    "float64": (1 << 53) + 1,
}


class RandomError(ValueError):
    """A distribution's parameters, or a saved state, that Torch would refuse."""


class Generator:
    """``torch.Generator``: one stream, drawn in order by every random module of a model.

    Args:
        seed: as given to ``torch.manualSeed``.

    Sizes are a number of elements or a shape; ``()`` gives one value as a 0-d array. ``dtype`` is
    the element type of the tensor that is filled.
    """

    def __init__(self, seed: int = 0) -> None:
        self._bits = np.random.MT19937()
        self.manual_seed(seed)

    # --- seed and state -------------------------------------------------------------------

    def manual_seed(self, seed: int) -> None:
        """Start the stream anew, as ``torch.manualSeed``: a cached normal value is dropped."""
        self.initial_seed = int(seed)
        self._set_words(_init_genrand(self.initial_seed), N)
        self._fresh = True
        self._normal = (0.0, 0.0, 0.0)  # x, y, rho of the last pair
        self._sine_waits = False

    def get_state(self) -> Array:
        """``torch.getRNGState()``: uint8[5048]."""
        inner = self._bits.state["state"]
        state = np.zeros((), STATE)
        state["initial_seed"] = self.initial_seed & 0xFFFFFFFFFFFFFFFF
        state["seeded"] = 1
        state["left"] = N + 1 - inner["pos"]
        state["next"] = 0 if self._fresh else inner["pos"]
        state["state"] = inner["key"]
        state["normal_x"], state["normal_y"], state["normal_rho"] = self._normal
        state["normal_is_valid"] = self._sine_waits
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, state: Array) -> None:
        """``torch.setRNGState``.

        Args:
            state: uint8[5048] as :meth:`get_state` or Torch gives it.

        Raises:
            RandomError: it has another size, or a position outside the twister's words.
        """
        raw = np.ascontiguousarray(state, np.uint8).tobytes()
        if len(raw) != STATE.itemsize:
            raise RandomError(f"a generator's state has {STATE.itemsize} bytes, got {len(raw)}")
        saved = np.frombuffer(raw, STATE)[0]
        left, position = int(saved["left"]), int(saved["next"])
        if not 1 <= left <= N or (left > 1 and left + position != N + 1):
            raise RandomError(f"state says left={left}, next={position}: no place in {N} words")
        self.initial_seed = int(saved["initial_seed"])
        self._set_words(saved["state"].astype(np.uint32), N if left == 1 else position)
        self._fresh = left == 1 and position == 0
        x, y, rho = (float(saved[f"normal_{name}"]) for name in ("x", "y", "rho"))
        self._normal = (x, y, rho)
        self._sine_waits = bool(saved["normal_is_valid"])

    def _set_words(self, words: Array, position: int) -> None:
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": position}}

    # --- draws ----------------------------------------------------------------------------

    def raw(self, n: int) -> Array:
        """The next ``n`` 32-bit draws, as uint64[n]."""
        self._fresh = self._fresh and n == 0
        return self._bits.random_raw(n)

    def uniform(
        self, size: Size, low: float = 0.0, high: float = 1.0, dtype: Any = np.float64
    ) -> Array:
        """Uniform in [low, high): one draw each."""
        low, high = _rounded(dtype, low, high)
        unit = self.raw(math.prod(_shape(size))) * (1.0 / 4294967296.0)
        return (unit * (high - low) + low).reshape(_shape(size)).astype(dtype)

    def normal(
        self, size: Size, mean: float = 0.0, stdv: float = 1.0, dtype: Any = np.float64
    ) -> Array:
        """Box-Muller in pairs; half of a pair waits for the next call, whatever its tensor."""
        _check(stdv > 0, f"normal: standard deviation must be positive, got {stdv}")
        mean, stdv = _rounded(dtype, mean, stdv)
        n = math.prod(_shape(size))
        waiting = int(self._sine_waits and n > 0)
        pairs = (n - waiting + 1) // 2
        x, y = np.array([self._normal[0]]), np.array([self._normal[1]])
        if pairs:
            drawn = self.uniform((pairs, 2))
            x, y = np.append(x, drawn[:, 0]), np.append(y, drawn[:, 1])
        rho, angle = np.sqrt(-2.0 * _each(math.log, 1.0 - y)), TWO_PI * x
        values = np.stack([rho * _each(math.cos, angle), rho * _each(math.sin, angle)], axis=1)
        if pairs:
            self._normal = (float(x[-1]), float(y[-1]), float(rho[-1]))
        self._sine_waits = (self._sine_waits + n) % 2 == 1
        first = 2 - waiting  # the pair in front is the one drawn before
        asked = values.ravel()[first : first + n] * stdv + mean
        return asked.reshape(_shape(size)).astype(dtype)

    def exponential(self, size: Size, rate: float, dtype: Any = np.float64) -> Array:
        """-log(1 - u) / rate."""
        (rate,) = _rounded(dtype, rate)
        return (-1.0 / rate * _each(math.log, 1.0 - self.uniform(size))).astype(dtype)

    def cauchy(
        self, size: Size, median: float = 0.0, sigma: float = 1.0, dtype: Any = np.float64
    ) -> Array:
        """Median + sigma tan(pi (u - 1/2))."""
        median, sigma = _rounded(dtype, median, sigma)
        angle = math.pi * (self.uniform(size) - 0.5)
        return (median + sigma * _each(math.tan, angle)).astype(dtype)

    def log_normal(
        self, size: Size, mean: float = 1.0, stdv: float = 2.0, dtype: Any = np.float64
    ) -> Array:
        """Exp of a normal value of that mean and standard deviation."""
        _check(stdv > 0, f"logNormal: standard deviation must be positive, got {stdv}")
        mean, stdv = _rounded(dtype, mean, stdv)
        return _each(math.exp, self.normal(size, mean, stdv)).astype(dtype)

    def geometric(self, size: Size, p: float) -> Array:
        """Whole numbers from 1: int(log(1 - u) / log(p)) + 1."""
        _check(0 < p < 1, f"geometric: p must be between 0 and 1, got {p}")
        return np.trunc(_each(math.log, 1.0 - self.uniform(size)) / math.log(p)) + 1.0

    def bernoulli(self, p: float | Array, size: Size) -> Array:
        """1 where u <= p, else 0, float64; ``p`` is a number or an array of the shape."""
        _check(
            bool(np.all((np.asarray(p) >= 0) & (np.asarray(p) <= 1))), "bernoulli: p outside 0..1"
        )
        return (self.uniform(size) <= p).astype(np.float64)

    def random(
        self, size: Size, low: int | None = None, high: int | None = None, dtype: Any = None
    ) -> Array:
        """Whole numbers.

        Args:
            size: elements or shape.
            low: smallest value; default 1 where ``high`` is given.
            high: largest value. Without it the range is the element type's own.
            dtype: element type of the tensor; None for the scalar ``torch.random``, which gives
                all 32 bits, as float64. In float tensors numbers below 0 come out 2^64 larger,
                as Torch has them.
        """
        draws = self.raw(math.prod(_shape(size)))
        values: Array
        if high is not None:
            low = 1 if low is None else low
            _check(high >= low, f"random: upper bound {high} is below lower bound {low}")
            values = (draws % np.uint64(high - low + 1)).astype(np.int64) + low
            if dtype is not None and np.dtype(dtype).kind == "f":
                values = values.astype(np.uint64)
        elif dtype is None:
            values = draws
        else:
            values = draws % np.uint64(RANDOM_RANGE[np.dtype(dtype).name])
        return values.astype(np.float64 if dtype is None else dtype).reshape(_shape(size))

    def randperm(self, n: int) -> Array:
        """A permutation of 1..n, float64[n]: Fisher-Yates from the front."""
        order = np.arange(1, n + 1, dtype=np.float64)
        draws = self.raw(max(n - 1, 0))
        for i, draw in enumerate(draws.tolist()):
            other = i + draw % (n - i)
            order[i], order[other] = order[other], order[i]
        return order

    def multinomial(self, p: Array, samples: int, replacement: bool = False) -> Array:
        """``torch.multinomial``: indices from 1, int64[samples] or int64[rows, samples].

        Args:
            p: weights [categories] or [rows, categories]; they need not add up to 1.
            samples: number of draws a row.
            replacement: whether a category may come again.

        Raises:
            RandomError: more samples than categories without replacement, or weights without sum.
        """
        rows = np.atleast_2d(np.asarray(p, np.float64))
        _check(samples > 0, f"multinomial: takes at least one sample, got {samples}")
        _check(
            replacement or samples <= rows.shape[1],
            f"multinomial: {samples} samples without replacement of {rows.shape[1]} categories",
        )
        drawn = np.stack([self._multinomial_row(row, samples, replacement) for row in rows])
        return drawn[0] if np.ndim(p) == 1 else drawn

    def _multinomial_row(self, weights: Array, samples: int, replacement: bool) -> Array:
        cumulative = np.cumsum(weights)
        total = float(cumulative[-1])
        _check(total > 0, f"multinomial: the weights add up to {total}")
        cumulative /= total
        cumulative[-1] = 1.0
        draws = self.uniform(samples)
        if replacement:
            return np.searchsorted(cumulative, draws) + 1
        picked = np.empty(samples, np.int64)
        for i, u in enumerate(draws):
            cumulative[-1] = 1.0
            at = int(np.searchsorted(cumulative, u))
            mass = cumulative[at] - (cumulative[at - 1] if at else 0.0)
            cumulative[at:] -= mass
            with np.errstate(divide="ignore", invalid="ignore"):  # nothing but zeros left
                cumulative /= 1.0 - mass
            picked[i] = at + 1
        return picked


def _init_genrand(seed: int) -> Array:
    """Knuth's initialization of the 624 words; the seed's low 32 bits count."""
    words = [seed & 0xFFFFFFFF]
    for i in range(1, N):
        last = words[-1]
        words.append((1812433253 * (last ^ (last >> 30)) + i) & 0xFFFFFFFF)
    return np.array(words, np.uint32)


def _shape(size: Size) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)


def _rounded(dtype: Any, *parameters: float) -> list[float]:
    return [float(np.dtype(dtype).type(value)) for value in parameters]


def _each(function: Callable[[float], float], values: Array) -> Array:
    """``function`` of every element, exactly as libm gives it."""
    return np.fromiter(map(function, values.ravel().tolist()), np.float64, values.size).reshape(
        values.shape
    )


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise RandomError(message)
