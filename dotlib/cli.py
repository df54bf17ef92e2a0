"""dotlib on the command line: train a pair, choose a setting, run a notebook, keep a record."""

import argparse
import os
import sys
from pathlib import Path

from dotlib import heap
from dotlib.errors import FileError, InputError, NothingAcceptedError, SettingsDifferError


def train(options: argparse.Namespace) -> None:
    """Train a pair, or say that it is there."""
    from dotlib.training import zoo

    trained = zoo.pair(options.name, profile=options.profile, seed=options.seed, device=options.device)
    print(f"{trained.path}  sha256 {trained.sha256[:12]}")


def choose_gp_weight(options: argparse.Namespace) -> None:
    """Train every candidate weight and record which G is best."""
    from dotlib.experiments import gp_weight
    from dotlib.results import records

    record = gp_weight.gp_weight(options.dataset, profile=options.profile, seed=options.seed)
    print(f"{records.write(record)}  chosen {record.get('chosen').value:g}")


def move(options: argparse.Namespace) -> None:
    """Move the points of Figure 3, so that its pages only have to load them."""
    from dotlib.evaluation import points as toy_pairs

    c = toy_pairs.figure3_settings(options.profile)
    pair = toy_pairs.load(options.dataset, weights=options.weights, profile=options.profile, seed=options.seed)
    K_eff = toy_pairs.constant(pair, c, options.seed).value
    toy_pairs.moved(pair, c, K_eff, options.seed)
    print(f"{pair.name}: {c.trials} trials of {c.points} points moved with K_eff {K_eff:.3f}")


def judge(options: argparse.Namespace) -> None:
    """Fit the three judges of a data set, or say that they are there."""
    from dotlib.evaluation import judges

    for seed in judges.SEEDS:
        one = judges.classifier(options.dataset, profile=options.profile, seed=seed)
        print(f"{one.name}  sha256 {one.sha256[:12]}  accuracy {one.accuracy:.4f}")


def score(options: argparse.Namespace) -> None:
    """Move and judge the samples of an image pair, so that its pages only have to load them."""
    from dotlib.evaluation import images as image_pairs

    found = image_pairs.table1_row(
        options.name, profile=options.profile, seed=options.seed, judge=options.judge, device=options.device
    )
    print(
        f"{options.name}: {len(found.measured.rows)} rows of {found.settings.sets} sets, "
        f"k_eff {found.measured.k_eff.value:.3f}"
    )


def swap(options: argparse.Namespace) -> None:
    """Move and judge the samples of an image pair by every discriminator of its data set."""
    from dotlib.experiments import tab2_swap

    cells = tab2_swap.row_of(
        options.name, profile=options.profile, seed=options.seed, judge=options.judge, device=options.device
    )
    print(f"{options.name}: moved by {len(cells)} discriminators")


def sample(options: argparse.Namespace) -> None:
    """Draw from a pair by every sampler, or those named, so that pages only have to load it."""
    from dotlib.evaluation import comparison

    compared = comparison.load(
        options.name,
        profile=options.profile,
        seed=options.seed,
        exact=options.oracle,
        judge=options.judge,
        device=options.device,
    )
    points = comparison.measure(compared, options.seed, options.method, last=options.last)
    print(
        f"{compared.label}: {len(points)} points of {compared.sets} sets, "
        f"{sum(bool(point.refused) for point in points)} refused"
    )


def picture(options: argparse.Namespace) -> None:
    """Draw both rows of Figure 3, the README's picture."""
    from dotlib.experiments import fig3_toy

    fig3_toy.picture(options.profile, options.seed).savefig(options.output)
    print(options.output)


def run(options: argparse.Namespace) -> None:
    """Execute one text notebook as the book does."""
    from dotlib import notebooks

    notebooks.run_notebook(options.notebook, options.output, notebooks.parse_values(options.parameter))


def campaign(options: argparse.Namespace) -> None:
    """Do the next run of results/campaign.yml that has no record yet."""
    from dotlib import campaign

    if options.list:
        for entry in campaign.entries():
            print(f"{'recorded' if entry.target.exists() else 'missing ':8}  {entry.target.stem}")
        return
    path = campaign.run_next(device=options.device)
    print(
        path
        or "nothing to do here: the rest is recorded, or being made by another process, or "
        "of the profile paper, which wants --device cuda"
    )


def keep(options: argparse.Namespace) -> None:
    """Copy a record of this build among the committed ones."""
    from dotlib.results import records

    for path in options.record:
        print(records.keep(path))


OPTIONS = {  # of the commands: flags -> what argparse is told of them
    "profile": (("--profile",), {"default": "laptop", "help": "smoke, laptop or paper"}),
    "seed": (("--seed",), {"type": int, "default": 0, "help": "of data, weights and training"}),
    "device": (("--device",), {"default": "cpu", "help": "cpu, or cuda where there is one"}),
    "judge": (("--judge",), {"default": "classifier", "help": "classifier or inception"}),
    "weights": (("--weights",), {"default": "trained", "help": "trained or authors"}),
    "method": (("--method",), {"action": "append", "help": "a key of samplers.METHODS; all"}),
    "last": (("--last",), {"action": "store_true", "help": "only the last setting of each method"}),
    "oracle": (("--oracle",), {"action": "store_true", "help": "2-D: the exact ratio as D"}),
    "list": (("--list",), {"action": "store_true", "help": "only say what is recorded, what not"}),
    "parameter": (("-p", "--parameter"), {"action": "append", "default": [], "metavar": "NAME=VALUE"}),
    "name": (("name",), {"help": "a pair: 25gaussians-wgan-gp, digits-dcgan-sngan-ns"}),
    "toy": (("dataset",), {"help": "25gaussians or swissroll"}),
    "images": (("dataset",), {"help": "digits, mnist, cifar10 or stl10"}),
    "picture": (("output",), {"type": Path, "help": "book/_static/fig3.png"}),
    "notebook": (("notebook",), {"type": Path, "help": "notebooks/NAME.md"}),
    "output": (("output",), {"type": Path, "help": "executed/NAME.ipynb"}),
    "record": (("record",), {"type": Path, "nargs": "+", "help": "_build/records/STEM/KEY.json"}),
}
COMMANDS = {  # name -> function and its options
    "train": (train, "name profile seed device"),
    "choose-gp-weight": (choose_gp_weight, "toy profile seed"),
    "move": (move, "toy weights profile seed"),
    "judge": (judge, "images profile"),
    "score": (score, "name judge device profile seed"),
    "swap": (swap, "name judge device profile seed"),
    "sample": (sample, "name method last oracle judge device profile seed"),
    "campaign": (campaign, "device list"),
    "picture": (picture, "picture profile seed"),
    "run": (run, "notebook output parameter"),
    "keep": (keep, "record"),
}


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="dotlib", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, (function, options) in COMMANDS.items():
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(function=function)
        for option in options.split():
            flags, told = OPTIONS[option]
            sub.add_argument(*flags, **told)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the errors of this package end in one line and exit status 2."""
    options = parser().parse_args(arguments)
    heap.keep_freed()
    try:
        options.function(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left, as `head` does; nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (InputError, FileError, NothingAcceptedError, SettingsDifferError) as error:
        print(f"dotlib: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
