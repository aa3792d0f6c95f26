"""The golden folder is what its manifest says."""

import json
import shutil

import pytest

from verify import manifest


def test_golden_folder_is_intact(golden):
    assert manifest.check(golden) == []


@pytest.fixture
def folder(golden, tmp_path):
    shutil.copytree(golden / "modules" / "Linear", tmp_path / "golden")
    manifest.write(tmp_path / "golden", "first")
    return tmp_path / "golden"


def test_changes_are_found(folder):
    assert manifest.check(folder) == []
    (folder / "input.t7").write_bytes(b"other")
    (folder / "case.json").unlink()
    (folder / "new.t7").write_bytes(b"")
    assert manifest.check(folder) == [
        "case.json: missing",
        "new.t7: not in the manifest",
        "input.t7: altered (SHA-256)",
    ]


def test_reasons_are_kept(folder):
    manifest.write(folder, "second")
    assert json.loads((folder / manifest.NAME).read_text())["changes"] == ["first", "second"]


@pytest.mark.parametrize("text", [None, "{", "[]", '{"format": "other"}'])
def test_no_manifest(tmp_path, text):
    if text is not None:
        (tmp_path / manifest.NAME).write_text(text)
    with pytest.raises(ValueError, match=r"MANIFEST\.json"):
        manifest.check(tmp_path)
