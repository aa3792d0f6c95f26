"""MurmurHash3_x64_128 and the UTF-16 form of names, in plain Python."""

from __future__ import annotations

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_C1 = 0x87C37B91114253D5
_C2 = 0x4CF5AD432745937F


def _rotl(x: int, r: int) -> int:
    return ((x << r) | (x >> (64 - r))) & _MASK


def _fmix(k: int) -> int:
    k = ((k ^ (k >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    k = ((k ^ (k >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return k ^ (k >> 33)


def murmur3_x64_128(data: bytes, seed: int = 0) -> tuple[int, int]:
    """Hash bytes; returns the two unsigned 64-bit halves (h1, h2)."""
    h1 = h2 = seed
    whole = len(data) & ~15
    for at in range(0, whole, 16):
        k1 = int.from_bytes(data[at : at + 8], "little")
        k2 = int.from_bytes(data[at + 8 : at + 16], "little")
        h1 ^= (_rotl((k1 * _C1) & _MASK, 31) * _C2) & _MASK
        h1 = ((_rotl(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= (_rotl((k2 * _C2) & _MASK, 33) * _C1) & _MASK
        h2 = ((_rotl(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    tail = data[whole:]
    k1 = int.from_bytes(tail[:8], "little")
    k2 = int.from_bytes(tail[8:], "little")
    h2 ^= (_rotl((k2 * _C2) & _MASK, 33) * _C1) & _MASK
    h1 ^= (_rotl((k1 * _C1) & _MASK, 31) * _C2) & _MASK
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    h1 = _fmix(h1)
    h2 = _fmix(h2)
    h1 = (h1 + h2) & _MASK
    return h1, (h2 + h1) & _MASK


# lead byte range -> (continuation bytes, payload bits of the lead byte)
_LEADS = (
    (range(0x80), 0, 0x7F),
    (range(0xC0, 0xE0), 1, 0x1F),
    (range(0xE0, 0xF0), 2, 0x0F),
    (range(0xF0, 0xF8), 3, 0x07),
)


def utf16_le(text: bytes) -> bytes:
    """Turn UTF-8 bytes into UTF-16LE without a byte-order mark.

    Overlong forms are accepted, because names hashed by earlier runtimes may hold them.

    Raises:
        ValueError: Stray or missing continuation bytes, surrogates, or code points past U+10FFFF.
    """
    try:
        return text.decode("utf-8").encode("utf-16-le")
    except UnicodeDecodeError:
        return _utf16_le_with_overlong_forms(text)


def _utf16_le_with_overlong_forms(text: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(text):
        lead = text[at]
        extra, mask = next(((n, bits) for leads, n, bits in _LEADS if lead in leads), (-1, 0))
        rest = text[at + 1 : at + 1 + extra]
        if extra < 0 or len(rest) < extra or any(byte & 0xC0 != 0x80 for byte in rest):
            raise ValueError(f"invalid UTF-8 at byte {at}")
        code = lead & mask
        for byte in rest:
            code = code << 6 | byte & 0x3F
        if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            raise ValueError(f"invalid UTF-8 at byte {at}")
        out += chr(code).encode("utf-16-le")
        at += 1 + extra
    return bytes(out)


def name_hash(name: bytes) -> int:
    """Signed 64-bit id of a feature name in UTF-8; see `deepbird_v2.data.feature_id`."""
    if not name:
        return 0
    separator = name.find(b"#")
    if separator > 0:
        family, _ = murmur3_x64_128(utf16_le(name[:separator]))
        h1, _ = murmur3_x64_128(family.to_bytes(8, "little") + utf16_le(name[separator + 1 :]))
    else:
        h1, _ = murmur3_x64_128(utf16_le(name))
    return h1 - (1 << 64) if h1 >> 63 else h1
