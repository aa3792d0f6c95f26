"""What each kind of layer does to widths, by the name its class is registered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from legacy_yaml.widths import Flow, Passage, Rule, Width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from legacy_yaml.config import Layer
    from legacy_yaml.widths import Checker


def rule_for(width: str | Rule | None) -> Rule:
    """The rule that a class is registered with; without one nothing is known of its output.

    Args:
        width: A key of ``RULES``, ``[planes ]parameter -> parameter`` (``any`` and ``unknown``
            name no parameter), or the rule itself.
    """
    if width is None:
        return _children
    if not isinstance(width, str):
        return width
    return RULES.get(width) or _named(width)


def _named(width: str) -> Rule:
    left, _, right = (part.strip() for part in width.partition("->"))
    kind: Literal["features", "planes"] = "planes" if left.startswith("planes ") else "features"
    parameter = left.removeprefix("planes ")

    def rule(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
        size, given = layer.args.get(parameter), layer.args.get(right)
        needs = Width(size, kind) if isinstance(size, int) else None
        if needs is not None:
            checker.takes(layer, parameter, needs, incoming)
        return Passage(needs, Width(given, kind, layer) if isinstance(given, int) else None)

    return rule


def _same(_checker: Checker, _layer: Layer, incoming: Flow) -> Passage:
    return Passage(gives=incoming, through=True)


def _sequential(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    return checker.chain(layer.layers, incoming)


def _children(checker: Checker, layer: Layer, _incoming: Flow) -> Passage:
    for child in layer.layers:
        checker.layer(child, None)
    return Passage()


def _spatial(_checker: Checker, _layer: Layer, incoming: Flow) -> Passage:
    """Keeps planes; a row of features would change its length."""
    keeps = isinstance(incoming, Width) and incoming.kind == "planes"
    return Passage(gives=incoming if keeps else None)


def _bias(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    """``nn.Add``: as wide as its input, or one scalar for any."""
    if layer.args.get("scalar"):
        return Passage(gives=incoming, through=True)
    return checker.keeps(layer, "inputSize", incoming)


def _channels(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    """``nn.PReLU``: a slope for each feature or plane, or one for all."""
    size = _int(layer, "nOutputPlane")
    if size and isinstance(incoming, Width):
        checker.takes(layer, "nOutputPlane", Width(size, incoming.kind), incoming)
    return Passage(gives=incoming, through=True)


def _frames(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    return checker.keeps(layer, "inputFrameSize", incoming)


def _discretizer(_checker: Checker, layer: Layer, _incoming: Flow) -> Passage:
    bits = layer.args.get("outputBits")
    return Passage(gives=Width(2**bits, "sparse", layer) if isinstance(bits, int) else None)


def _full_sparse(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    bits = layer.args.get("inputBits")
    parameter = "inputFeatures" if bits is None else "inputBits"
    size = 2**bits if isinstance(bits, int) else layer.args.get("inputFeatures")
    needs = Width(size, "sparse") if isinstance(size, int) else None
    if needs is not None:
        checker.takes(layer, parameter, needs, incoming)
    given = layer.args.get("outputFeatures")
    return Passage(needs, Width(given, "features", layer) if isinstance(given, int) else None)


def _residual(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    inner = checker.chain(layer.layers, incoming)
    entering = incoming if incoming is not None else inner.needs
    match entering, inner.gives:
        case Width() as before, Width() as after if not before.fits(after):
            message = f"adds its input ({before.size}) to its layers' output ({after.size})"
            checker.complain(layer, "layers", f"{message}: the widths differ")
    return Passage(inner.needs, entering if entering is not None else inner.gives)


def _split(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    """Each split takes its columns, or its share of the same sparse space."""
    sparse = incoming if isinstance(incoming, Width) and incoming.kind == "sparse" else None
    outputs: list[Flow] = []
    for split in layer.splits:
        entering: Flow = Width(len(split.columns)) if split.columns else sparse
        beyond = [c for c in split.columns if isinstance(incoming, Width) and c > incoming.size]
        if beyond and isinstance(incoming, Width):
            message = f"split {split.name!r} takes column {beyond[0]} of {incoming.size}"
            checker.complain(layer, "splits", message)
        outputs.append(checker.chain(split.layers, entering).gives)
    return Passage(gives=_joined(outputs, layer))


def _concat_table(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    needs: Flow = None
    outputs: list[Flow] = []
    for child in layer.layers:
        passage = checker.layer(child, incoming if incoming is not None else needs)
        needs = needs if needs is not None else passage.needs
        outputs.append(passage.gives)
    return Passage(needs, tuple(outputs))


def _concat(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    table = _concat_table(checker, layer, incoming)
    joins = layer.args.get("dimension") == 2
    return Passage(table.needs, _joined(_flat(table.gives), layer) if joins else None)


def _parallel_table(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    count = len(layer.layers)
    entering: tuple[Flow, ...] = (None,) * count
    if isinstance(incoming, tuple):
        if len(incoming) != count:
            message = f"has {count} layers, but a table of {len(incoming)} reaches it"
            checker.complain(layer, "layers", message)
        else:
            entering = incoming
    pairs = zip(layer.layers, entering, strict=True)
    passages = [checker.layer(child, flow) for child, flow in pairs]
    return Passage(tuple(p.needs for p in passages), tuple(p.gives for p in passages))


def _map_table(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    if not isinstance(incoming, tuple):
        return _children(checker, layer, None)
    return Passage(gives=tuple(checker.chain(layer.layers, flow).gives for flow in incoming))


def _join_table(_checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    """Joins features: dimension 2 of a batch, or dimension 1 of a row within one."""
    dimension, dims = layer.args.get("dimension"), layer.args.get("nInputDims")
    flows = incoming if isinstance(incoming, tuple) else ()
    planes = any(isinstance(flow, Width) and flow.kind == "planes" for flow in flows)
    joins = (dimension, dims) in ((2, None), (1, 3 if planes else 1))
    return Passage(gives=_joined(flows, layer) if joins else None)


def _equal_table(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    flows = incoming if isinstance(incoming, tuple) else ()
    known = [flow for flow in flows if isinstance(flow, Width)]
    if any(not known[0].fits(flow) for flow in known[1:]):
        sizes = ", ".join(str(flow.size) for flow in known)
        checker.complain(layer, "", f"combines tensors of one size, but gets widths {sizes}")
    return Passage(gives=known[0] if known else None)


def _select_table(checker: Checker, layer: Layer, incoming: Flow) -> Passage:
    if not isinstance(incoming, tuple):
        return Passage()
    index = _int(layer, "index")
    if abs(index) > len(incoming):
        checker.complain(layer, "index", f"selects entry {index} of a table of {len(incoming)}")
        return Passage()
    return Passage(gives=incoming[index - 1 if index > 0 else index])


def _flatten_table(_checker: Checker, _layer: Layer, incoming: Flow) -> Passage:
    return Passage(gives=_flat(incoming) if isinstance(incoming, tuple) else None)


def _flat(flow: Flow) -> tuple[Flow, ...]:
    if not isinstance(flow, tuple):
        return (flow,)
    return tuple(leaf for part in flow for leaf in _flat(part))


def _reshape(_checker: Checker, layer: Layer, _incoming: Flow) -> Passage:
    """One size makes rows of features, three make planes; a -1 leaves it open."""
    match layer.args.get("sizes"):
        case (int(size),) | (-1, int(size)) if size > 0:
            return Passage(gives=Width(size, "features", layer))
        case (int(planes), int(), int()) if planes > 0:
            return Passage(gives=Width(planes, "planes", layer))
    return Passage()


def _joined(flows: Iterable[Flow], layer: Layer) -> Flow:
    known = [flow if isinstance(flow, Width) else None for flow in flows]
    widths = [width for width in known if width is not None]
    if not widths or len(widths) < len(known) or len({width.kind for width in widths}) > 1:
        return None
    return Width(sum(width.size for width in widths), widths[0].kind, layer)


def _int(layer: Layer, parameter: str) -> int:
    value = layer.args.get(parameter, 0)
    return value if isinstance(value, int) else 0


RULES: dict[str, Rule] = {
    "same": _same,
    "sequential": _sequential,
    "children": _children,
    "spatial": _spatial,
    "bias": _bias,
    "channels": _channels,
    "frames": _frames,
    "discretizer": _discretizer,
    "full sparse": _full_sparse,
    "residual": _residual,
    "split": _split,
    "concat": _concat,
    "concat table": _concat_table,
    "parallel table": _parallel_table,
    "map table": _map_table,
    "join table": _join_table,
    "equal table": _equal_table,
    "select table": _select_table,
    "flatten table": _flatten_table,
    "reshape": _reshape,
}
