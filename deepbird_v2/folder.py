"""The folder that a model lives in: what is in it, and how to put it there whole.

=================  =========================================================================
file               content
=================  =========================================================================
model.keras        the model, as Keras saves it
saved_model/       the model with its signatures, for anything that runs TensorFlow
features.json      which features to read from DataRecords (DataRecord models only)
model.json         name, kind, outputs, and the SHA-256 of every other file; written last
=================  =========================================================================

A folder without ``model.json``, or with a file that ``model.json`` does not describe, does not
load. Folders are made under another name and renamed when complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

__all__ = [
    "FolderError",
    "Manifest",
    "altered",
    "building",
    "read_manifest",
    "sha256",
    "write_manifest",
]

MANIFEST = "model.json"
FORMAT = "deepbird-model"
VERSION = 1
_BUILDING = ".building-"


class FolderError(ValueError):
    """A folder holds no loadable model; says what is wrong with it."""


@dataclass(frozen=True)
class Manifest:
    """What ``model.json`` says.

    Attributes:
        name: of the model.
        kind: ``records`` takes DataRecords, ``tensors`` takes what the Keras model takes.
        outputs: names of the outputs, in order.
        files: path in the folder → SHA-256.
    """

    name: str
    kind: Literal["records", "tensors"]
    outputs: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str, where: Path) -> Self:
        """Parse and check the file's text.

        Raises:
            FolderError: it is no manifest, or of a version that this release cannot read.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise FolderError(f"{where}: not JSON ({error})") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise FolderError(f"{where}: not a {FORMAT} manifest")
        if data.get("version") != VERSION:
            raise FolderError(
                f"{where}: version {data.get('version')}; this release reads version {VERSION}"
            )
        return cls(data["name"], data["kind"], tuple(data["outputs"]), dict(data["files"]))


@contextmanager
def building(folder: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A scratch folder beside ``folder`` that takes its name when the block ends well.

    Args:
        folder: where the result will be.
        overwrite: replace what is there.

    Raises:
        FolderError: something is there and may not be replaced.
    """
    target = Path(folder)
    if target.exists() and not overwrite:
        raise FolderError(f"{target} exists; choose another place, or say --overwrite")
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}{_BUILDING}{uuid.uuid4().hex[:8]}")
    scratch.mkdir()
    try:
        yield scratch
        if target.exists():
            retired = scratch.with_name(scratch.name + ".old")
            target.rename(retired)
            scratch.rename(target)
            shutil.rmtree(retired)
        else:
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_manifest(
    folder: Path, name: str, kind: Literal["records", "tensors"], outputs: Sequence[str]
) -> Manifest:
    """Describe every file of a folder; call it last."""
    files = {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    manifest = Manifest(name, kind, tuple(outputs), files)
    data: dict[str, Any] = {"format": FORMAT, "version": VERSION, **asdict(manifest)}
    (folder / MANIFEST).write_text(json.dumps(data, indent=1) + "\n")
    return manifest


def read_manifest(folder: str | Path, *, check: bool = True) -> Manifest:
    """What a model folder holds.

    Args:
        folder: of a model.
        check: compare the SHA-256 of every file.

    Raises:
        FolderError: no model is there, it is incomplete, or a file was altered.
    """
    root = Path(folder)
    path = root / MANIFEST
    if _BUILDING in root.resolve().name:
        raise FolderError(f"{root}: left over from a conversion that did not finish; delete it")
    if not path.is_file():
        what = "no such folder" if not root.exists() else f"it has no {MANIFEST}"
        raise FolderError(f"{root}: not a model folder ({what})")
    manifest = Manifest.from_json(path.read_text(), path)
    for name in manifest.files:
        if not (root / name).is_file():
            raise FolderError(f"{root}: {name} is missing")
    changed = altered(root, manifest) if check else []
    if changed:
        raise FolderError(f"{root}: {changed[0]} is not the file that was saved (SHA-256)")
    return manifest


def altered(folder: str | Path, manifest: Manifest) -> list[str]:
    """Names of the files that are not what was saved."""
    root = Path(folder)
    return [name for name, digest in manifest.files.items() if sha256(root / name) != digest]


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
