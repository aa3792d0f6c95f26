"""Constructor calls of golden cases, written in Lua, as layers of the YAML dialect."""

import itertools
import re

from legacy_yaml import build_registry

TOKEN = re.compile(r'"[^"]*"|-?\d[\d.]*(?:e-?\d+)?|[\w.]+|[^\s]')
WORDS = {"true": True, "false": False, "nil": None, "math.huge": float("inf")}


def written(text):
    """One layer as plain data: ``{"nn.Linear": [7.0, 5.0]}``.

    A module that Lua names by a local variable is one Python object wherever it occurs, so YAML
    gives it an anchor. Methods other than ``add`` are left out; :func:`changed_later` tells.
    """
    local = re.search(r"local (\w)=(.*?); ", text)
    if local is None:
        return Reader(text).value()
    returned = re.search(r"return (.*?) end", text)[1]
    return Reader(returned, {local[1]: Reader(local[2]).value()}).value()


def changed_later(text):
    """Whether Lua changes the module after its constructor in a way that shows in its fields."""
    methods = re.findall(r":(\w+)\(", text)
    return bool({*methods} - {"add", "reset", "uniform"}) or bool(re.search(r"; m\.\w+=", text))


class Reader:
    """Reads one expression."""

    def __init__(self, text, variables=None):
        self.tokens = [*TOKEN.findall(text), ""]
        self.variables = variables or {}

    def next(self):
        return self.tokens.pop(0)

    def value(self):
        token = self.next()
        if token == "{":
            return self.table()
        if token.startswith('"'):
            return token.strip('"')
        if token in self.variables:
            return self.variables[token]
        if token in WORDS:
            return WORDS[token]
        if token.startswith(("nn.tables", "torch.")):
            return TENSORS[token](*self.list({"(": ")", "{": "}"}[self.next()]))
        if token.startswith("nn."):
            return self.layer(token)
        return float(token)

    def list(self, end):
        values = []
        while self.tokens[0] != end:
            values.append(self.value())
            if self.tokens[0] == ",":
                self.next()
        self.next()
        return values

    def table(self):
        if self.tokens[1] != "=":
            return self.list("}")
        table = {}
        while self.tokens[0] != "}":
            name, _ = self.next(), self.next()
            table[name] = self.value()
            if self.tokens[0] == ",":
                self.next()
        self.next()
        return table

    def layer(self, name):
        args = [self.table()] if self.next() == "{" else self.list(")")
        children = []
        while self.tokens[0] == ":":
            _, method, _ = self.next(), self.next(), self.next()
            values = self.list(")")
            children += values if method == "add" else []
        if not children:
            return {name: args}
        params = [param.name for param in build_registry().find(name).params]
        return {name: {**dict(zip(params, args, strict=False)), "layers": children}}


def ones(*sizes):
    """``torch.ones`` as nested lists."""
    head, *rest = sizes
    return [ones(*rest) if rest else 1.0 for _ in range(int(head))]


def full(inputs, outputs):
    """``nn.tables.full``: every input plane feeds every output plane."""
    pairs = itertools.product(range(1, int(outputs) + 1), range(1, int(inputs) + 1))
    return [[plane, output] for output, plane in pairs]


def some(inputs, outputs, each):
    """A table of the size of ``nn.tables.random``'s, whose entries Torch draws."""
    return [
        [(output + k) % int(inputs) + 1, output + 1]
        for output in range(int(outputs))
        for k in range(int(each))
    ]


TENSORS = {
    "torch.Tensor": lambda *values: list(values),
    "torch.ones": ones,
    "nn.tables.full": full,
    "nn.tables.random": some,
}
