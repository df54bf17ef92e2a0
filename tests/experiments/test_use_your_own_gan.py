"""The page for a reader's own pair. Kinds of test: closed forms, the page's code as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
import torch
from torch import nn

import dotlib as dot
from dotlib.experiments import use_your_own_gan as page
from dotlib.transport.dot import latent_dot

ROOT = Path(__file__).resolve().parents[2]


def linear_pair(slope):
    """D(G(z)) = slope * z_1: DOT with constant k moves every latent where slope > k, and none where slope < k."""
    G, D = nn.Identity(), nn.Linear(2, 1, bias=False)
    D.weight = nn.Parameter(torch.tensor([[slope, 0.0]]), requires_grad=False)
    return dot.Pair(G.eval(), D.eval(), dot.Normal(2))


def test_three_numbers_of_a_linear_pair_have_their_closed_forms():
    """Without the cost z_1 rises by steps * lr * slope / k, so D by slope times that."""
    pair, k = linear_pair(3.0), 0.5
    z = pair.prior.sample(8, dot.generator(0, "z")).double()
    pair = dot.Pair(pair.generator, pair.discriminator.double(), pair.prior)
    plain = dot.Variant(anchor="fixed", projection="none", norm="smooth")
    moved = latent_dot(pair, z, k, steps=10, cost="none", optimizer=dot.SGD(0.01), variant=plain)
    of = page.measured(pair, moved, z)
    torch.testing.assert_close(of["distance"], torch.full((8,), 10 * 0.01 * 3.0 / k, dtype=torch.float64))
    torch.testing.assert_close(of["rise of D"], 3.0 * of["distance"])
    torch.testing.assert_close(of["fall"], of["rise of D"] / k)


@pytest.mark.parametrize(
    ("distance", "rise", "fall", "word"),
    [
        (0.01, 1.0, -1.0, "frozen"),
        (0.50, 1.0, -0.1, "step too large"),
        (0.50, 9.0, 1.0, "runaway"),
        (0.50, 1.0, 0.5, "good"),
    ],
)
def test_each_word_has_its_case(distance, rise, fall, word):
    of = {"distance": distance, "rise of D": rise, "fall": fall}
    assert page.word({name: torch.full((5,), value) for name, value in of.items()}, k=1.0) == word


def test_the_word_is_of_the_typical_sample_and_not_of_one():
    of = {
        "distance": torch.tensor([0.001, 0.5, 0.5]),
        "rise of D": torch.ones(3),
        "fall": torch.tensor([-9.0, 0.5, 0.5]),
    }
    assert page.word(of, k=1.0) == "good"


def test_the_answer_changes_with_what_was_measured():
    pair = linear_pair(1.0)
    z = pair.prior.sample(8, dot.generator(0, "z"))
    first, second = (page.answer(page.regimes(pair, z, k)) for k in (0.1, 100.0))
    assert "*frozen* with 100 k_eff" in first and "*frozen* with 3 k_eff" in second
    assert first.count(". ") == 2


def test_the_code_of_the_page_runs_as_it_stands(tmp_path):
    """Every cell in one fresh interpreter; its last cell says what each of three constants does to the pair."""
    cells = jupytext.read(ROOT / "notebooks" / "use_your_own_gan.md", fmt="md:myst").cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert re.search(r'== \["good", "frozen", "runaway"\]', code[-1])
    script = tmp_path / "page.py"
    script.write_text("\n".join(code), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env=os.environ | {"DOTLIB_ARTIFACTS": str(tmp_path / "artifacts"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_table_and_figures_have_a_line_and_a_column_for_each_constant():
    pair = dot.load_pair("digits-dcgan-sngan-ns", seed=0)
    rng = dot.generator(0, "figures")
    z = pair.prior.sample(12, rng)
    of = page.regimes(pair, z, dot.latent_constant(pair, n_pairs=20, repeats=2, rng=rng).value)
    lines = page.table(of).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == [f"{factor:g} k_eff" for factor in page.FACTORS]
    assert [line.rstrip("| ").rpartition("| ")[2] for line in lines] == [each.word for each in of.values()]
    axes = page.figure(of).axes
    assert [axis.get_title() for axis in axes[:3]] == [f"{name}: {each.word}" for name, each in of.items()]
    middle = axes[0].lines[0].get_ydata()
    objective = next(iter(of.values())).moved.objective
    expected = (objective - objective[0]).quantile(0.5, dim=1)
    torch.testing.assert_close(torch.as_tensor(middle), expected, check_dtype=False, rtol=1e-5, atol=1e-6)
    assert len(page.samples(pair, next(iter(of.values())), n=4).axes) == 4 * len(page.KEPT)
