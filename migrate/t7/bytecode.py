"""Names inside a Lua function's dump. Nothing here, or anywhere, runs one."""

from __future__ import annotations

from typing import Final

__all__ = ["upvalue_names"]

_LUAJIT: Final = b"\x1bLJ"
_STRIPPED: Final = 0x02


class _Bytes:
    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    def byte(self) -> int:
        self.pos += 1
        return self.data[self.pos - 1]

    def uleb(self) -> int:
        """A little-endian base-128 number, of at most five bytes."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise IndexError


def upvalue_names(bytecode: bytes) -> list[str]:
    """The names of a LuaJIT function's upvalues, from its debug information.

    Empty for other dumps: those without debug information, of plain Lua, or damaged ones.
    """
    try:
        return _names(bytecode) if bytecode.startswith(_LUAJIT) else []
    except IndexError:
        return []


def _names(bytecode: bytes) -> list[str]:
    head = _Bytes(bytecode, 4)
    if head.uleb() & _STRIPPED:
        return []
    chunk_name = head.uleb()
    head.pos += chunk_name
    main = b""
    while length := head.uleb():  # the function itself comes last, those inside it before
        main = bytecode[head.pos : head.pos + length]
        head.pos += length
    proto = _Bytes(main, 3)  # flags, parameters, frame size
    upvalues = proto.byte()
    proto.uleb(), proto.uleb()  # garbage-collected and numeric constants
    instructions = proto.uleb()
    debug = proto.uleb()
    if not debug:
        return []
    proto.uleb()  # first line
    lines = proto.uleb()
    line_bytes = 1 if lines < 1 << 8 else 2 if lines < 1 << 16 else 4
    names = main[len(main) - debug + instructions * line_bytes :].split(b"\0", upvalues)
    return [name.decode("utf-8", "replace") for name in names[:upvalues]]
