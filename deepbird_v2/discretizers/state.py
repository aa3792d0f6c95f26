"""A calibrated discretizer as data: which edges, which rule, which id for which bin.

Every kind of discretizer is the same state with another table of ids, so there is one way to apply
it, one file format and one comparison. `deepbird_v2.discretizers.table` applies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.search import Search

if TYPE_CHECKING:
    from deepbird_v2.discretizers.table import Table

__all__ = ["NO_PARENT", "Bins", "Discretizer", "Unknown", "UnknownRule"]

Array = np.ndarray[Any, Any]

NO_PARENT = -1
MAX_BITS = 62


class UnknownRule(StrEnum):
    """Where a key goes that no discretized feature has."""

    MODULO = "modulo"  # unsigned k mod (stop - first), plus first
    FLOOR_MODULO = "floor-modulo"  # the same with k signed and a result that is never negative
    MASK = "mask"  # the low bits of k; first is 0 and stop a power of two


@dataclass(frozen=True)
class Unknown:
    """The rule for other keys, which take the ids in [first, stop)."""

    rule: UnknownRule
    first: int
    stop: int

    @property
    def room(self) -> int:
        """Number of ids."""
        return self.stop - self.first


@dataclass(frozen=True, eq=False)
class Bins:
    """One feature.

    Attributes:
        feature: its id.
        edges: float64[n] ascending.
        ids: int64, the id of each bin; the last one is NaN's where the state says so.
        name: of the feature, "" if it is not known.
        parents: int64, the id of the bin that each was split from, or `NO_PARENT`.
        weights: float64, how much weight each bin held when it was made; empty if unknown.
        retired: the feature is no longer discretized, but its ids stay taken.
    """

    feature: int
    edges: Array
    ids: Array
    name: str = ""
    parents: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: Array = field(default_factory=lambda: np.zeros(0))
    retired: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", np.ascontiguousarray(self.edges, np.float64))
        object.__setattr__(self, "ids", np.ascontiguousarray(self.ids, np.int64))
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights, np.float64))
        parents = np.ascontiguousarray(self.parents, np.int64)
        if not parents.size:
            parents = np.full(len(self.ids), NO_PARENT, np.int64)
        object.__setattr__(self, "parents", parents)

    def __str__(self) -> str:
        return f"feature {self.feature}" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True, eq=False)
class Discretizer:
    """Features, and everything that decides what becomes of a key and a value.

    Attributes:
        features: ascending by feature id.
        output_bits: ids lie in [0, 2**output_bits).
        unknown: what becomes of other keys.
        search: how a value finds its bin.
        nan_bin: NaN has a bin of its own, the last one of each feature; else it goes where the
            rule says.
        float32: values are rounded to float32 before they are compared.
        method: how the edges came about, for people.
        n_bin: how many bins a feature was asked for; 0 if that is not known.
        parent: fingerprint of the state that this one was calibrated from.
        ancestors: fingerprints of the states before the parent, oldest first.
        next_id: the first id that has never been given to a bin; raised above those of the bins.

    Raises:
        StateError: it contradicts itself; says which feature, and how.
    """

    features: tuple[Bins, ...]
    output_bits: int
    unknown: Unknown
    search: Search = Search.LEFT_CLOSED
    nan_bin: bool = True
    float32: bool = False
    method: str = "percentile"
    n_bin: int = 0
    parent: str | None = None
    ancestors: tuple[str, ...] = ()
    next_id: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.output_bits <= MAX_BITS:
            raise StateError(f"output_bits {self.output_bits} is not in 1..{MAX_BITS}")
        if self.ancestors and self.parent is None:
            raise StateError("it has ancestors, but no parent")
        first, stop = self.unknown.first, self.unknown.stop
        if not 0 <= first < stop <= self.width:
            raise StateError(f"other keys take ids {first} to {stop}, of {self.width}")
        if self.unknown.rule is UnknownRule.MASK and (first or stop & (stop - 1)):
            raise StateError(f"other keys cannot be masked into ids {first} to {stop}")
        if not 0 <= self.next_id <= self.width or self.n_bin < 0:
            raise StateError(f"next_id {self.next_id} or n_bin {self.n_bin} makes no sense")
        ordered = sorted(self.features, key=lambda bins: bins.feature)
        object.__setattr__(self, "features", tuple(ordered))
        for before, bins in pairwise(ordered):
            if before.feature == bins.feature:
                raise StateError(f"{bins}: it occurs twice")
        for bins in ordered:
            self._check(bins)
        above = max((int(bins.ids.max()) + 1 for bins in ordered), default=0)
        object.__setattr__(self, "next_id", max(self.next_id, above))

    def _check(self, bins: Bins) -> None:
        edges, ids, n = bins.edges, bins.ids, len(bins.edges)
        if edges.ndim != 1 or ids.ndim != 1 or not -(2**63) <= bins.feature < 2**63:
            raise StateError(f"{bins}: wants a 64-bit id, a row of edges and a row of bin ids")
        if np.isnan(edges).any() or (edges[1:] < edges[:-1]).any():
            raise StateError(f"{bins}: its bin edges are not ascending numbers")
        if self.search is Search.BISECTION and not n:
            raise StateError(f"{bins}: bisection needs an edge")
        expected = self.search.bins(n) + self.nan_bin
        if len(ids) != expected or len(bins.parents) != expected:
            raise StateError(
                f"{bins}: {n} edges by {self.search.value} make {expected} bins, "
                f"but it has {len(ids)} ids and {len(bins.parents)} parents"
            )
        if len(bins.weights) not in (0, expected) or not (bins.weights >= 0).all():
            raise StateError(f"{bins}: wants the weight of each of its {expected} bins, or none")
        if self.float32 and not np.array_equal(edges.astype(np.float32), edges):
            raise StateError(f"{bins}: an edge is no float32 number, but values are compared so")
        if bins.parents.min() < NO_PARENT or bins.parents.max() >= self.width:
            raise StateError(
                f"{bins}: its bins were split from ids {bins.parents.min()} to "
                f"{bins.parents.max()}, outside {self.output_bits} output bits"
            )
        if not _is_text(bins.name):
            raise StateError(f"feature {bins.feature}: its name {bins.name!r} is no text")
        if ids.min() < 0 or ids.max() >= self.width:
            raise StateError(
                f"{bins}: bin ids reach {ids.max()}, outside {self.output_bits} output bits"
            )

    @property
    def width(self) -> int:
        """Number of ids, 2**output_bits."""
        return 1 << self.output_bits

    @property
    def lineage(self) -> tuple[str, ...]:
        """Fingerprints of the states that this one was calibrated from, oldest first."""
        return self.ancestors if self.parent is None else (*self.ancestors, self.parent)

    @property
    def descent(self) -> dict[str, Any]:
        """What a state that is made of this one says of its origin; for `replace`."""
        return {"parent": self.fingerprint, "ancestors": self.lineage}

    @cached_property
    def by_id(self) -> dict[int, Bins]:
        """The features by id, retired ones too."""
        return {bins.feature: bins for bins in self.features}

    @property
    def active(self) -> Iterator[Bins]:
        """The features that are discretized."""
        return (bins for bins in self.features if not bins.retired)

    @property
    def revived(self) -> Self:
        """A copy in which no feature is retired; the state itself where none is."""
        if not any(bins.retired for bins in self.features):
            return self
        return self.replace(features=tuple(replace(b, retired=False) for b in self.features))

    @cached_property
    def table(self) -> Table:
        """What `apply` looks things up in."""
        from deepbird_v2.discretizers.table import compile_table

        return compile_table(self)

    def apply(
        self, keys: Array, values: Array, *, keep_inputs: bool = False
    ) -> tuple[Array, Array]:
        """Discretize the known features; move every other key as `unknown` says.

        Args:
            keys: int64[n].
            values: [n].
            keep_inputs: add every entry once more, undiscretized, after the others: its key by a
                signed floor modulo among other keys, as the published runtime does. Entries
                without a feature thus come twice.

        Returns:
            (int64[n] ids in [0, 2**output_bits), float32[n] values: 1 where discretized), or twice
            as many with ``keep_inputs``.
        """
        ids, kept = self.table.apply(keys, values)
        if not keep_inputs:
            return ids, kept
        room = np.int64(self.unknown.room)
        with np.errstate(over="ignore", invalid="ignore"):
            inputs = np.asarray(values).astype(np.float32)
        added = np.asarray(keys, np.int64) % room + self.unknown.first
        return np.concatenate([ids, added]), np.concatenate([kept, inputs])

    @cached_property
    def shared_ids(self) -> tuple[dict[int, int], frozenset[int]]:
        """(id → number of bins for each id of several, ids of bins that other keys may get)."""
        # NaN may share a bin of its own feature.
        numbers = slice(None, -1 if self.nan_bin else None)
        ids = [
            np.append(b.ids[numbers], np.setdiff1d(b.ids[-1:], b.ids[numbers]))
            for b in self.features
        ]
        every = np.concatenate(ids) if ids else np.zeros(0, np.int64)
        found, counts = np.unique(every, return_counts=True)
        several = counts > 1
        beside = (found >= self.unknown.first) & (found < self.unknown.stop)
        return (
            dict(zip(found[several].tolist(), counts[several].tolist(), strict=True)),
            frozenset(found[beside].tolist()),
        )

    def collisions(self) -> list[str]:
        """What shares an id with something else; empty for a state that keeps ids apart."""
        several, beside = self.shared_ids
        shared = [f"id {i} belongs to {n} bins" for i, n in several.items()]
        if beside:
            shared.append(f"{len(beside)} ids of bins may also be given to other keys")
        return shared

    def replace(self, **changes: Any) -> Self:
        """A copy with some attributes changed."""
        return replace(self, **changes)

    def with_names(self, names: dict[int, str]) -> Self:
        """A copy whose features have these names, where one is given."""
        return self.replace(
            features=tuple(replace(b, name=names.get(b.feature, b.name)) for b in self.features)
        )

    def retired(self, features: Iterable[int], retired: bool = True) -> Self:
        """A copy that no longer discretizes some features (or does so again).

        Their ids stay taken, so nothing else moves; their keys go where other keys go.

        Raises:
            StateError: a feature is not in the state.
        """
        chosen = set(features)
        strange = sorted(chosen - set(self.by_id))
        if strange:
            raise StateError(f"feature {strange[0]} is not in this state")
        return self.replace(
            features=tuple(
                replace(b, retired=retired) if b.feature in chosen else b for b in self.features
            ),
            **self.descent,
        )

    def widened(self, output_bits: int) -> Self:
        """A copy with more output ids, all of them for new bins: nothing that has an id moves.

        Raises:
            StateError: there would be no more ids than now.
        """
        if output_bits <= self.output_bits:
            raise StateError(f"{output_bits} output bits are no more than {self.output_bits}")
        return self.replace(output_bits=output_bits, **self.descent)

    def rounded(self) -> Self:
        """The state as a runtime without float64 has it: edges and values rounded to float32."""
        if self.float32:
            return self
        with np.errstate(over="ignore"):
            features = tuple(replace(b, edges=b.edges.astype(np.float32)) for b in self.features)
        return self.replace(features=features, float32=True)

    def normalized(self) -> Self:
        """The same function in the default rule: ``[a,b)``, NaN in a bin of its own, float64.

        Every value keeps its id. Edges become those at which ids really change, so that bins can
        be split without moving a tie elsewhere.
        """
        from deepbird_v2.discretizers.order import from_key

        table = self.revived.table
        rows = {int(f): i for i, f in enumerate(table.features)}
        features = []
        for bins in self.features:
            row = rows[bins.feature]
            cuts = slice(table.splits[row], table.splits[row + 1])
            steps = np.append(
                table.bins[table.splits[row] + row : table.splits[row + 1] + row + 1],
                table.nan_bins[row],
            )
            features.append(
                replace(
                    bins,
                    edges=from_key(table.cuts[cuts]),
                    ids=bins.ids[steps],
                    parents=bins.parents[steps],
                    weights=np.zeros(0),
                )
            )
        return self.replace(
            features=tuple(features), search=Search.LEFT_CLOSED, nan_bin=True, float32=False
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the state's canonical bytes."""
        from deepbird_v2.discretizers.file import fingerprint

        return fingerprint(self)

    def __repr__(self) -> str:
        return (
            f"Discretizer({self.method}, {len(self.features)} features, {self.search.value}, "
            f"{self.output_bits} bits, {self.fingerprint[:12]})"
        )


def _is_text(name: str) -> bool:
    """Whether a name can be written down: a string without halves of surrogate pairs."""
    return isinstance(name, str) and not any("\ud800" <= c <= "\udfff" for c in name)
