"""Where the Thrift IDL files are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
# Installed: inside the package. In a checkout: the top-level folder.
_FOLDERS = (_PACKAGE / "idl", _PACKAGE.parent / "thrift")


def idl_path(name: str) -> Path:
    """Return the path of an IDL file.

    Args:
        name: ``"data"``, ``"tensor"`` or ``"prediction_service"``, with or without ``.thrift``.

    Raises:
        FileNotFoundError: No such file; the message lists the names that exist.
    """
    file_name = name if name.endswith(".thrift") else f"{name}.thrift"
    for folder in _FOLDERS:
        path = folder / file_name
        if path.is_file():
            return path
    known = sorted({path.stem for folder in _FOLDERS for path in folder.glob("*.thrift")})
    raise FileNotFoundError(f"no IDL named {name!r}; known: {', '.join(known) or 'none'}")
