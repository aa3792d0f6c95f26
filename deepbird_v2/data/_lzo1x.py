"""LZO1X decompression in Python, bounded on both sides.

An instruction's first byte names its kind; `state` is the number of literals the previous
instruction copied after its match (1 to 3), 4 after a run of literals, 0 otherwise. Matches reach
back at most 48 KiB. The stream ends with a far match of distance 16384.
"""

from __future__ import annotations

from deepbird_v2.data.errors import ContainerError


class _Stream:
    def __init__(self, data: bytes, size: int) -> None:
        self.data = data
        self.size = size
        self.pos = 0
        self.out = bytearray()

    def byte(self) -> int:
        if self.pos >= len(self.data):
            raise ContainerError("LZO block: truncated")
        self.pos += 1
        return self.data[self.pos - 1]

    def length(self, short: int, base: int) -> int:
        """A length: the bits in the instruction, or, if they are 0, zero bytes worth 255 each."""
        if short:
            return short
        while not (byte := self.byte()):
            base += 255
        return base + byte

    def literals(self, count: int) -> None:
        self._room(count)
        if count > len(self.data) - self.pos:
            raise ContainerError("LZO block: truncated in a run of literals")
        self.out += self.data[self.pos : self.pos + count]
        self.pos += count

    def match(self, distance: int, count: int) -> None:
        self._room(count)
        if distance > len(self.out):
            raise ContainerError(f"LZO block: a match reaches {distance} bytes back, too far")
        start = len(self.out) - distance
        pattern = self.out[start : start + count]
        self.out += (pattern * (count // len(pattern) + 1))[:count]

    def _room(self, count: int) -> None:
        if count > self.size - len(self.out):
            raise ContainerError(f"LZO block: more than the {self.size} bytes it declares")


def lzo1x_decompress(data: bytes, size: int) -> bytes:
    """Decompress one block.

    Args:
        data: The compressed bytes.
        size: The largest size the result may have.

    Raises:
        ContainerError: The block is damaged.
    """
    stream = _Stream(data, size)
    state = 0
    if data and data[0] > 17:
        count = stream.byte() - 17
        stream.literals(count)
        state = min(count, 4)
    while True:
        code = stream.byte()
        if code < 16 and state == 0:
            stream.literals(3 + stream.length(code, 15))
            state = 4
            continue
        if code < 16:
            distance = (stream.byte() << 2) + (code >> 2) + (1 if state < 4 else 2049)
            count = 2 if state < 4 else 3
            tail = code
        elif code < 64:
            far = code < 32
            mask = 7 if far else 31
            count = 2 + stream.length(code & mask, mask)
            tail = stream.byte()
            distance = (tail >> 2) + (stream.byte() << 6) + 1
            if far:
                distance += 16383 + ((code & 8) << 11)
            if far and distance == 16384:
                break
        else:
            count = (code >> 5) + 1
            distance = (stream.byte() << 3) + ((code >> 2) & 7) + 1
            tail = code
        stream.match(distance, count)
        state = tail & 3
        stream.literals(state)
    if stream.pos != len(data):
        raise ContainerError(f"LZO block: ends after {stream.pos} of its {len(data)} bytes")
    return bytes(stream.out)
