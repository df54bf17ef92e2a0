"""Inception from a checked file only. Its weights are random numbers here, in the real file's format.

Kinds of test: identities, second method, failures.
"""

import collections
import functools
import hashlib
import os
import pickle
import sys

import pytest
import torch

from dotlib.data import downloads
from dotlib.errors import FileError
from dotlib.evaluation import inception as inception_network
from dotlib.evaluation import judges
from dotlib.metrics import backends


@pytest.fixture(autouse=True)
def no_inception(monkeypatch):
    """Weights that this machine has are left alone."""
    monkeypatch.delenv(inception_network.PLACE, raising=False)


@functools.cache
def random_weights() -> dict[str, torch.Tensor]:
    """State of pytorch_fid's network, filled with numbers that keep activations in range."""
    module = backends.module("pytorch_fid.inception")
    with torch.random.fork_rng(devices=[]):
        network = module._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    rng = torch.Generator().manual_seed(7)
    state = network.state_dict()
    for name, t in state.items():
        if t.ndim >= 2:
            t.normal_(0, (2 / t[0].numel()) ** 0.5, generator=rng)
        elif name.endswith("fc.bias"):
            t.normal_(generator=rng)
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """(path, sha256) of random weights saved as the published file is: one pickled state."""
    path = tmp_path_factory.mktemp("inception") / inception_network.FILE
    torch.save(random_weights(), path, _use_new_zipfile_serialization=False)
    return path, sha256(path)


@pytest.fixture(scope="module")
def judge(weights):
    return judges.inception(weights[0], sha256=weights[1])


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def test_inception_looks_as_pytorch_fid_does(judge, weights, monkeypatch):
    module = backends.module("pytorch_fid.inception")
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *_, **__: random_weights())
    theirs = module.InceptionV3().eval()
    x = pixels(3, 3, 32, 32)
    features, logits = judge(x)
    with torch.no_grad():
        wanted = theirs(x.float() / 255)[0][:, :, 0, 0]
    assert features.shape == (3, 2048) and logits.shape == (3, 1008)
    assert (judge.dim, judge.classes, judge.sha256) == (2048, 1008, weights[1])
    assert judge.accuracy is None and judge.name == "inception"
    scale = float(wanted.abs().max())
    assert scale > 1e-3
    torch.testing.assert_close(features, wanted, rtol=1e-4, atol=1e-5 * scale)
    torch.testing.assert_close(
        logits, wanted @ random_weights()["fc.weight"].T, rtol=1e-3, atol=1e-4 * float(logits.abs().max())
    )


def test_inception_agrees_with_torch_fidelity_on_images_of_its_own_size(judge, weights):
    """At 299 x 299 neither resizes. torch_fidelity maps 0..255 to (x - 128) / 128, pytorch_fid to
    2 x / 255 - 1; those differ by up to 1/128, so the agreement is close and not exact."""
    backends.module("torch_fidelity.metric_fid")
    extractor = sys.modules["torch_fidelity"].FeatureExtractorInceptionV3(
        "inception-v3-compat",
        ["2048", "logits_unbiased"],
        feature_extractor_weights_path=str(weights[0]),
        verbose=False,
    )
    x = pixels(1, 3, 5, 5).repeat_interleave(60, 2).repeat_interleave(60, 3)[:, :, :299, :299]
    for ours, theirs in zip(judge(x), extractor(x), strict=True):
        assert (ours - theirs).norm() < 0.03 * theirs.norm()


def test_grey_images_are_shown_in_three_channels(judge):
    x = pixels(2, 1, 8, 8)
    for one, two in zip(judge(x), judge(x.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    assert (judge.network.training, next(judge.network.parameters()).requires_grad) == (False,) * 2


def test_both_ways_of_saving_and_old_files_without_counters_are_read(tmp_path, judge):
    plain = {name: t for name, t in random_weights().items() if "num_batches" not in name}
    torch.save(plain, tmp_path / "w")
    again = judges.inception(tmp_path / "w", sha256=sha256(tmp_path / "w"))
    assert torch.equal(again.network.classifier, judge.network.classifier)
    for name, t in again.network.body.state_dict().items():
        assert "num_batches" in name or torch.equal(t, random_weights()[name])


def test_the_place_is_the_argument_then_the_variable_then_a_download(weights, monkeypatch, tmp_path):
    asked = []

    def fetch(what):
        asked.append(what)
        raise FileError("no network")

    monkeypatch.setattr(downloads, "fetch", fetch)
    with pytest.raises(FileError, match="no network"):
        judges.inception()
    assert asked == [inception_network.FILE]
    monkeypatch.setenv(inception_network.PLACE, str(tmp_path / "nowhere"))
    with pytest.raises(FileError, match="nowhere: cannot be read .No such file or directory.; get"):
        judges.inception()
    with pytest.raises(FileError, match=f"^{weights[0]}: "):
        judges.inception(weights[0])
    assert len(asked) == 1


def test_the_published_digest_is_demanded_by_default(weights, monkeypatch):
    """The name of the file carries the first eight digits, as torch.hub's names do."""
    known = downloads.SOURCES[inception_network.FILE].sha256
    assert len(known) == 64 and known[:8] == inception_network.FILE[-12:-4] == "6726825d"
    monkeypatch.setattr(torch, "load", None)  # nothing is read before the digest is right
    monkeypatch.setenv(inception_network.PLACE, str(weights[0]))
    for arguments in ((), (weights[0],)):
        with pytest.raises(FileError, match="not the published one|cut short|bytes"):
            judges.inception(*arguments)
    with pytest.raises(FileError, match="its sha256 is"):
        judges.inception(weights[0], sha256="0" * 64)


class Evil:
    """Makes a folder where somebody unpickles it."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def bad_files(whole: bytes, folder):
    """name -> content of files that are not Inception."""
    torch.save({"fc.weight": Evil(folder)}, folder.parent / "evil")
    torch.save({"fc.weight": torch.ones(2, 2)}, folder.parent / "other")
    torch.save([1, 2], folder.parent / "list")
    torch.save(dict(random_weights(), **{"fc.weight": torch.ones(1008, 2047)}), folder.parent / "shape")
    return {
        "truncated": whole[: len(whole) // 2],
        "short": whole[:100],
        "page": b"<!DOCTYPE html>\n<html><body>404</body></html>\n" * 9,
        "empty": b"",
        "zip": b"PK\x03\x04" + bytes(99),
        "noise": bytes(range(256)) * 4,
        "pickle": pickle.dumps(Evil(folder)),
        "more": pickle.dumps({"a": Evil(folder)}, 0),
        **{name: (folder.parent / name).read_bytes() for name in ("evil", "other", "list", "shape")},
    }


def test_everything_else_is_one_clear_line_and_runs_nothing(weights, tmp_path, recwarn):
    """Each file twice: under the published digest, and as if it had the digest that is wanted."""
    trap = tmp_path / "ran"
    reasons = collections.defaultdict(lambda: "cannot be read as weights (")
    reasons |= dict.fromkeys(("other", "list", "shape"), "does not hold the Inception network (")
    reasons["page"] = "a web page, not the file"
    for name, content in bad_files(weights[0].read_bytes(), trap).items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        for digest in (None, hashlib.sha256(content).hexdigest()):
            with pytest.raises(FileError, match=f"^{path}: .*; get https://.*DOTLIB_INCEPTION$") as caught:
                judges.inception(path, sha256=digest)
            assert "\n" not in str(caught.value) and len(str(caught.value)) < 700, name
            assert not trap.exists(), name
            assert reasons[name] in str(caught.value) or digest is None, str(caught.value)
    assert not [str(w.message) for w in recwarn.list]
    pickle.loads(pickle.dumps(Evil(trap)))  # the trap works where somebody unpickles it
    assert trap.exists()


def test_reading_a_file_leaves_pytorch_fid_and_the_random_state_alone(weights, tmp_path):
    module, before = backends.module("pytorch_fid.inception"), torch.get_rng_state()
    loader = module.load_state_dict_from_url
    judges.inception(weights[0], sha256=weights[1])
    torch.save({}, tmp_path / "empty")
    with pytest.raises(FileError, match="does not hold the Inception network"):
        judges.inception(tmp_path / "empty", sha256=sha256(tmp_path / "empty"))
    assert module.load_state_dict_from_url is loader
    assert torch.equal(torch.get_rng_state(), before)
