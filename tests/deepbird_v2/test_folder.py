"""A model folder appears whole or not at all, and says what was done to it."""

import json

import pytest

from deepbird_v2.folder import FolderError, building, read_manifest, write_manifest


def fill(folder, text="model"):
    (folder / "model.keras").write_text(text)
    write_manifest(folder, "m", "tensors", ["output_1"])


def test_round_trip(tmp_path):
    with building(tmp_path / "m") as scratch:
        fill(scratch)
    manifest = read_manifest(tmp_path / "m")
    assert (manifest.name, manifest.kind, manifest.outputs) == ("m", "tensors", ("output_1",))
    assert list(manifest.files) == ["model.keras"]
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def fail_to_build(folder, **options):
    with building(folder, **options) as scratch:
        fill(scratch, "new")
        raise RuntimeError


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        fail_to_build(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_what_was_there(tmp_path):
    with building(tmp_path / "m") as scratch:
        fill(scratch, "old")
    with pytest.raises(RuntimeError):
        fail_to_build(tmp_path / "m", overwrite=True)
    read_manifest(tmp_path / "m")
    assert (tmp_path / "m" / "model.keras").read_text() == "old"


def test_overwriting_must_be_asked_for(tmp_path):
    with building(tmp_path / "m") as scratch:
        fill(scratch, "old")
    with pytest.raises(FolderError, match="exists"), building(tmp_path / "m"):
        pass
    with building(tmp_path / "m", overwrite=True) as scratch:
        fill(scratch, "new")
    assert (tmp_path / "m" / "model.keras").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unfinished_folder_does_not_load(tmp_path):
    """As after kill -9: the scratch folder stays, complete or not."""
    writing = building(tmp_path / "m")
    scratch = writing.__enter__()
    with pytest.raises(FolderError):
        read_manifest(scratch)
    fill(scratch)
    with pytest.raises(FolderError, match="did not finish"):
        read_manifest(scratch)
    with pytest.raises(FolderError, match="no such folder"):
        read_manifest(tmp_path / "m")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "model.keras").write_text("other"), "not the file that was saved"),
        (lambda f: (f / "model.keras").unlink(), "model.keras is missing"),
        (lambda f: (f / "model.json").unlink(), "no model.json"),
        (lambda f: (f / "model.json").write_text("{"), "not JSON"),
        (lambda f: (f / "model.json").write_text("[]"), "not a deepbird-model manifest"),
        (
            lambda f: (f / "model.json").write_text(
                json.dumps({"format": "deepbird-model", "version": 99})
            ),
            "version 99",
        ),
    ],
)
def test_damage_is_named(tmp_path, spoil, message):
    with building(tmp_path / "m") as scratch:
        fill(scratch)
    spoil(tmp_path / "m")
    with pytest.raises(FolderError, match=message):
        read_manifest(tmp_path / "m")
