"""Checkpoints: what was saved comes back, and nothing else is believed.

Kinds of test: failures (every kind of damage), identities (round trips), second method (the digest
by hand, the file by the safetensors library).
"""

import hashlib
import json
import os
import pickle
import random

import pytest
import safetensors
import safetensors.torch
import torch

from dotlib.errors import FileError
from dotlib.results import files
from dotlib.training import checkpoints

META = {"update": 7, "settings": {"lr": 1e-4, "name": 'quote " and λ'}, "log": [{"a": 0.1}]}


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return {
        "G.weight": torch.randn(5, 3, generator=rng),
        "double": torch.randn(4, generator=rng, dtype=torch.float64),
        "half": torch.randn(3, generator=rng).half(),
        "brain": torch.randn(3, generator=rng).bfloat16(),
        "bytes": torch.randint(256, (17,), generator=rng, dtype=torch.uint8),
        "whole": torch.randint(-9, 9, (2, 2, 2), generator=rng),
        "int32": torch.arange(3, dtype=torch.int32),
        "flags": torch.tensor([True, False]),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 4),
        "special": torch.tensor([float("nan"), float("inf"), -0.0]),
    }


@pytest.fixture
def path(tmp_path, tensors):
    checkpoints.save(tmp_path / "c.safetensors", tensors, META)
    return tmp_path / "c.safetensors"


def header_length(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


def refused(path, content: bytes, match: str = "make it again") -> None:
    path.write_bytes(content)
    for read in (checkpoints.load, checkpoints.digest):
        with pytest.raises(FileError, match=match) as caught:
            read(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


# --- damage ------------------------------------------------------------------------------------


def test_100_single_byte_flips_are_refused(path):
    content = path.read_bytes()
    draw = random.Random(20191)
    for _ in range(100):
        at, mask = draw.randrange(len(content)), draw.randrange(1, 256)
        refused(path, content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :])


def test_a_flip_of_any_byte_of_the_header_is_refused(path):
    content = path.read_bytes()
    for at in range(header_length(content)):
        refused(path, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def test_truncation_at_20_points_is_refused(path):
    content = path.read_bytes()
    cuts = {0, 1, 7, 8, 9, header_length(content) - 1, header_length(content), len(content) - 1}
    draw = random.Random(20192)
    while len(cuts) < 20:
        cuts.add(draw.randrange(len(content)))
    for cut in cuts:
        refused(path, content[:cut])


def test_added_bytes_are_refused(path):
    refused(path, path.read_bytes() + b"\0", "does not match its content")


def test_a_pickle_that_would_run_a_command_is_not_run(path, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"x": Evil()}, path)
    evil = path.read_bytes()
    refused(path, evil, "not a checkpoint of this suite")
    refused(path, pickle.dumps(Evil()), "not a checkpoint of this suite")
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(Evil()))  # the trap works where somebody unpickles it
    assert (tmp_path / "ran").exists()


def test_foreign_and_missing_files_are_refused(path, tmp_path):
    safetensors.torch.save_file({"x": torch.ones(2)}, path)
    refused(path, path.read_bytes(), "no SHA-256 in its header")
    refused(path, b"", "no SHA-256")
    refused(path, b"<!DOCTYPE html>" * 100, "no SHA-256")
    with pytest.raises(FileError, match=r"absent: cannot be read \(No such file.*train it"):
        checkpoints.load(tmp_path / "absent")
    with pytest.raises(FileError, match="cannot be read .Is a directory"):
        checkpoints.load(tmp_path)


def test_two_digests_in_one_header_are_refused(path):
    safetensors.torch.save_file({"x": torch.ones(2)}, path, metadata={"sha256": "0" * 64})
    refused(path, path.read_bytes().replace(b'"x"', b'"sha256":"' + b"0" * 64 + b'","x"'))


def signed(header: bytes, body: bytes = b"") -> bytes:
    """A file with a right digest around any header, as an attacker could make it."""
    blank = len(header).to_bytes(8, "little") + header + body
    digest = hashlib.sha256(blank).hexdigest().encode()
    return blank.replace(b"0" * 64, digest)


@pytest.mark.parametrize(
    "header",
    [
        b'["sha256","dotlib-1",{"sha256":"%s"}]' % (b"0" * 64),
        b'{"__metadata__":{"sha256":"%s"}}' % (b"0" * 64),
        b'{"__metadata__":{"format":"dotlib-1","sha256":"%s"}}' % (b"0" * 64),
        b'{"__metadata__":{"format":"dotlib-1","meta":"{","sha256":"%s"}}' % (b"0" * 64),
        b'{"__metadata__":{"format":"dotlib-1","meta":"{}","sha256":"%s"},"x":{"dtype":"F32",'
        b'"shape":[9],"data_offsets":[0,36]}}' % (b"0" * 64),
        b'not json "sha256":"%s"' % (b"0" * 64),
    ],
)
def test_a_right_digest_does_not_make_a_checkpoint(path, header):
    path.write_bytes(signed(header))
    with pytest.raises(FileError, match="not a checkpoint of this suite") as caught:
        checkpoints.load(path)
    assert "\n" not in str(caught.value)


def test_a_future_format_is_refused_by_its_name(path, tensors, monkeypatch):
    monkeypatch.setattr(checkpoints, "FORMAT", "dotlib-2")
    checkpoints.save(path, tensors, META)
    monkeypatch.undo()
    with pytest.raises(FileError, match="format 'dotlib-2', this version reads 'dotlib-1'"):
        checkpoints.load(path)


def test_an_interrupted_save_keeps_the_file_before(path, monkeypatch):
    before = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(path, {"other": torch.ones(1)}, {})
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


# --- round trips -------------------------------------------------------------------------------


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal in type, shape and every bit, also of NaN."""
    return (
        (
            a.dtype == b.dtype
            and a.shape == b.shape
            and a.contiguous().view(-1).view(torch.uint8).tolist() == b.contiguous().view(-1).view(torch.uint8).tolist()
        )
        if a.numel()
        else (a.dtype == b.dtype and a.shape == b.shape)
    )


def test_every_type_and_shape_comes_back(path, tensors):
    loaded, meta = checkpoints.load(path)
    assert loaded.keys() == tensors.keys()
    for name, t in tensors.items():
        assert same(loaded[name], t), name
    assert meta == META


def test_views_shared_memory_and_gradients_are_saved_by_value(tmp_path):
    base = torch.arange(12.0).reshape(3, 4).requires_grad_(True)
    given = {"a": base, "transposed": base.T, "row": base[1], "step": base[:, ::2]}
    checkpoints.save(tmp_path / "c", given, {})
    loaded, _ = checkpoints.load(tmp_path / "c")
    for name, t in given.items():
        assert same(loaded[name], t.detach()), name
        assert not loaded[name].requires_grad


def test_no_tensors_and_no_meta(tmp_path):
    checkpoints.save(tmp_path / "c", {}, {})
    assert checkpoints.load(tmp_path / "c") == ({}, {})


def test_a_digest_in_the_meta_or_in_a_name_confuses_nothing(tmp_path):
    meta = {"sha256": "a" * 64, "text": '"sha256":"' + "b" * 64 + '"'}
    checkpoints.save(tmp_path / "c", {"sha256": torch.ones(1)}, meta)
    assert checkpoints.load(tmp_path / "c")[1] == meta


def test_loading_changes_neither_the_file_nor_the_input(path, tensors):
    before = path.read_bytes()
    loaded, _ = checkpoints.load(path)
    loaded["G.weight"].zero_()
    assert path.read_bytes() == before and float(tensors["G.weight"].abs().sum()) > 0


# --- second method -----------------------------------------------------------------------------


def test_the_digest_is_of_the_file_with_zeros_in_its_place(path, tensors):
    """And the file is plain safetensors: the library reads it without this package."""
    digest = checkpoints.digest(path)
    content = path.read_bytes()
    assert content.count(digest.encode()) == 1
    assert hashlib.sha256(content.replace(digest.encode(), b"0" * 64)).hexdigest() == digest
    assert checkpoints.save(path.with_name("again"), tensors, META) == checkpoints.digest(path.with_name("again"))
    with safetensors.safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["meta"]) == META
        assert torch.equal(file.get_tensor("whole"), tensors["whole"])
