"""dotlib on the command line: train a pair, choose a setting, run a notebook, keep a record."""

import argparse
import sys
from pathlib import Path

from dotlib.errors import BadFile, BadInput, SettingsDiffer


def train(options: argparse.Namespace) -> None:
    """Train a pair, or say that it is there."""
    from dotlib import zoo
    trained = zoo.pair(options.name, profile=options.profile, seed=options.seed,
                       device=options.device)
    print(f"{trained.path}  sha256 {trained.sha256[:12]}")


def choose_gp_weight(options: argparse.Namespace) -> None:
    """Train every candidate weight and record which G is best."""
    from dotlib import records, selection
    record = selection.gp_weight(options.dataset, profile=options.profile, seed=options.seed)
    print(f"{records.write(record)}  chosen {record['chosen']:g}")


def move(options: argparse.Namespace) -> None:
    """Move the points of Figure 3, so that its pages only have to load them."""
    from dotlib import config, figure3
    c = config.figure3_settings(options.profile)
    what = figure3.subject(options.dataset, weights=options.weights, profile=options.profile,
                           seed=options.seed)
    K_eff = figure3.constant(what, c, options.seed).value
    figure3.moved(what, c, K_eff, options.seed)
    print(f"{what.name}: {c.trials} trials of {c.points} points moved with K_eff {K_eff:.3f}")


def picture(options: argparse.Namespace) -> None:
    """Draw both rows of Figure 3, the README's picture."""
    from dotlib import reporting
    reporting.picture(options.profile, options.seed).savefig(options.output)
    print(options.output)


def run(options: argparse.Namespace) -> None:
    """Execute one text notebook as the book does."""
    from dotlib import notebook
    notebook.run_notebook(options.notebook, options.output,
                          notebook.parse_values(options.parameter))


def keep(options: argparse.Namespace) -> None:
    """Copy a record of this build among the committed ones."""
    from dotlib import records
    for path in options.record:
        print(records.keep(path))


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="dotlib", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(function, name: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(function=function)
        return sub

    def sized(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--profile", default="laptop", help="smoke, laptop or paper")
        sub.add_argument("--seed", type=int, default=0, help="of data, weights and training")

    sub = command(train, "train")
    sub.add_argument("name", help="for example 25gaussians-wgan-gp")
    sub.add_argument("--device", default="cpu", help="cpu, or cuda where there is one")
    sized(sub)
    sub = command(choose_gp_weight, "choose-gp-weight")
    sub.add_argument("dataset", help="25gaussians or swissroll")
    sized(sub)
    sub = command(move, "move")
    sub.add_argument("dataset", help="25gaussians or swissroll")
    sub.add_argument("--weights", default="trained", help="trained or authors")
    sized(sub)
    sub = command(picture, "picture")
    sub.add_argument("output", type=Path, help="book/_static/fig3.png")
    sized(sub)
    sub = command(run, "run")
    sub.add_argument("notebook", type=Path, help="notebooks/NAME.md")
    sub.add_argument("output", type=Path, help="executed/NAME.ipynb")
    sub.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    sub = command(keep, "keep")
    sub.add_argument("record", type=Path, nargs="+", help="_build/records/STEM/KEY.json")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the errors of this package end in one line and exit status 2."""
    options = parser().parse_args(arguments)
    try:
        options.function(options)
    except (BadInput, BadFile, SettingsDiffer) as error:
        print(f"dotlib: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
