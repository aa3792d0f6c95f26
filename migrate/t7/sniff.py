"""What a file is, from its first bytes: binary, ascii, or not a Torch file at all."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final

from migrate.t7.errors import BadTag, NotTorch

if TYPE_CHECKING:
    from migrate.t7.cursor import Buffer

__all__ = ["check_mode", "sniff"]

_ASCII: Final = re.compile(rb"\s*[0-8][ \t]*\r?\n")
_LINK: Final = re.compile(rb"[^\s\x00-\x1f]{1,400}\.(t7|net|dat|bin|model|txt)\s?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")

_TRY_PYTORCH: Final = (
    "this is a file of PyTorch, not of Lua Torch: load it with torch.load of PyTorch"
)
_UNPACK: Final = "unpack it first"
# First bytes, what they mean, and what to do. The first match counts.
_KNOWN: Final = (
    (b"version https://git-lfs", "a git-lfs pointer, not the file itself", "run `git lfs pull`"),
    (b"PK\x03\x04", "a zip archive, as PyTorch writes since 1.6", _TRY_PYTORCH),
    (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9", "a PyTorch checkpoint (pickle)", _TRY_PYTORCH),
    (b"\x80\x02", "a Python pickle", _TRY_PYTORCH),
    (b"\x80\x03", "a Python pickle", _TRY_PYTORCH),
    (b"\x80\x04", "a Python pickle", _TRY_PYTORCH),
    (b"\x80\x05", "a Python pickle", _TRY_PYTORCH),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "read it with h5py"),
    (b"\x93NUMPY", "a NumPy array", "read it with numpy.load"),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"\x89LZO\x00", "compressed with lzop", _UNPACK),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a rar archive", _UNPACK),
    (b"\x1bLJ", "LuaJIT bytecode", None),
    (b"\x1bLua", "Lua bytecode", None),
    (b"\x7fELF", "a program", None),
    (b"<!DOCTYPE", "a web page", "the download failed: fetch the file itself"),
    (b"<html", "a web page", "the download failed: fetch the file itself"),
    (b"<?xml", "an XML file", "the download failed: fetch the file itself"),
    (b"This file", "a text file", "the file itself is elsewhere: read this text"),
)


def sniff(buffer: Buffer) -> tuple[str, str]:
    """The mode and the byte order of a Torch file.

    Returns:
        ``("binary", "little")``, ``("binary", "big")`` or ``("ascii", "little")``.

    Raises:
        NotTorch: anything else, by its name.
    """
    head = buffer[:64]
    if not head:
        raise NotTorch("the file is empty", offset=0)
    if _ASCII.match(head) or head.strip() == b"0":
        return "ascii", "little"
    if head[1:4] == b"\0\0\0":
        if head[0] > 8:
            raise BadTag(f"{head[0]} is no type tag (they are 0 to 8)", offset=0)
        return "binary", "little"
    if head[:3] == b"\0\0\0" and len(head) > 3 and head[3] <= 8:
        return "binary", "big"
    raise _not_torch(buffer[:4096], len(buffer))


def _not_torch(head: bytes, size: int) -> NotTorch:
    for magic, name, hint in _KNOWN:
        if head.startswith(magic):
            return NotTorch(f"this is {name}", offset=0, hint=hint)
    if head[257:262] == b"ustar":
        return NotTorch("this is a tar archive", offset=0, hint=_TRY_PYTORCH + ", or unpack it")
    if size < 4096 and _LINK.fullmatch(head):
        return NotTorch(
            f"this is the text of a symbolic link to {head.decode('utf-8', 'replace').strip()!r}",
            offset=0,
            hint="give the file that it names",
        )
    if _is_text(head):
        return NotTorch(f"this is a text file that begins {_excerpt(head)}", offset=0)
    return NotTorch(
        f"the first bytes ({head[:4].hex(' ')}) are no type tag of a Torch file", offset=0
    )


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(text)


def _excerpt(head: bytes) -> str:
    return ascii(head[:24].decode("utf-8", "replace"))


def check_mode(buffer: Buffer, mode: str, byte_order: str) -> str:
    """Refuses a file whose first bytes are of another mode than the one asked for.

    Returns:
        The byte order, found out where ``byte_order`` is ``auto``.
    """
    found, order = sniff(buffer)
    if found != mode:
        raise NotTorch(
            f"this is a file in {found} mode, not in {mode} mode",
            offset=0,
            hint=f"read it with mode='{found}' or mode='auto'",
        )
    if byte_order in ("auto", order) or buffer[:4] == b"\0\0\0\0":
        return order
    raise NotTorch(
        f"this is a {order}-endian file",
        offset=0,
        hint=f"read it with byte_order='{order}' or byte_order='auto'",
    )
