"""dotlib on the command line."""

import ast
import contextlib
from pathlib import Path

import click

from dotlib import steps
from dotlib.errors import FileError, InputError, NothingAcceptedError, SettingsDifferError, check_option


class Commands(click.Group):
    """Commands whose known errors are told in one line, with exit status 2."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (FileError, InputError, NothingAcceptedError, SettingsDifferError) as error:
            click.echo(f"dotlib: {error}", err=True)
            ctx.exit(2)
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(f"dotlib: {error.filename}: {error.strerror}; name another file or folder", err=True)
            ctx.exit(2)


def _values(pairs: tuple[str, ...]) -> dict:
    """{"seed": 3} from ("seed=3",), values read as Python literals, else as text. Raises InputError without '='."""
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"parameter: {pair!r} has no '='; write NAME=VALUE")
        values[name] = text
        with contextlib.suppress(ValueError, SyntaxError):
            values[name] = ast.literal_eval(text)
    return values


profile_option = click.option("--profile", default="laptop", show_default=True, help="smoke, laptop or paper")
seed_option = click.option("--seed", default=0, show_default=True, help="of data, weights and training")
device_option = click.option("--device", default="cpu", show_default=True, help="cpu, or cuda where there is one")
values_option = click.option(
    "-p", "values", multiple=True, callback=lambda *given: _values(given[-1]), metavar="NAME=VALUE", help="a parameter"
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Train a pair, prepare a page, run a notebook, keep a record."""


@main.command()
@click.argument("name")
@profile_option
@seed_option
@device_option
def train(name: str, profile: str, seed: int, device: str) -> None:
    """Train the pair NAME, or say that it is shipped or there: 25gaussians-wgan-gp, digits-dcgan-sngan-ns."""
    click.echo(steps.run("pair", name, profile=profile, seed=seed, device=device))


@main.command(epilog="\b\nKIND:\n" + "\n".join(f"{name:8} {step.run.__doc__}" for name, step in steps.KINDS.items()))
@click.argument("kind", metavar="KIND")
@click.argument("item")
@profile_option
@seed_option
@click.option("--judge", help="of images: classifier (the default), inception (that of table3) or efficientnet")
@device_option
def step(kind: str, item: str, **settings: str) -> None:
    """Make once what a page would make, so that it only has to load it.

    ITEM is a pair, for move and judge a data set, for table3 a trial of Table 3.
    """
    click.echo(steps.run(kind, item, **settings))


@main.command()
@click.argument("notebook", type=Path)
@click.argument("output", type=Path)
@values_option
@device_option
def run(notebook: Path, output: Path, values: dict, device: str) -> None:
    """Run the text notebook NOTEBOOK as the book does; OUTPUT, an .ipynb, appears when all of it ran."""
    _run(notebook, output, values, device)


@main.command()
@click.argument("path", type=Path, nargs=-1, required=True)
def keep(path: tuple[Path, ...]) -> None:
    """Copy records of this build, _build/records/STEM/KEY.json, among the committed ones."""
    from dotlib.results import records

    for record in path:
        click.echo(records.keep(record))


@main.command()
@click.argument("name")
@seed_option
@profile_option
def ship(name: str, seed: int, profile: str) -> None:
    """Copy the trained pair NAME among the committed ones, pairs/, and list it in pairs/README.md."""
    from dotlib.training import shipped

    click.echo(shipped.ship(name, seed=seed, profile=profile))


@main.command()
@click.argument("name")
@values_option
@device_option
def record(name: str, values: dict, device: str) -> None:
    """Run a page for one of its records, STEM/KEY, with the parameters of results/campaign.yml, and keep that.

    A key that is not listed there needs its parameters, by -p.
    """
    import yaml

    from dotlib.results import provenance, records

    if provenance.checkout() != Path.cwd():
        raise InputError(f"record: {Path.cwd()} is not the repository of this package; run it in a checkout's root")
    if provenance.source_state()[1]:
        raise InputError("source: tracked files are changed; commit them, then make the record")
    listed = yaml.safe_load(Path("results/campaign.yml").read_text(encoding="utf-8"))
    stem, _, key = name.partition("/")
    check_option("stem", stem, [path.stem for path in Path("notebooks").glob("*.md")])
    if not values:
        check_option("key", key, [other.partition("/")[2] for other in listed if other.startswith(f"{stem}/")])
    notebook, values = Path("notebooks", f"{stem}.md"), listed.get(name, {}) | values
    _run(notebook, Path("_build/campaign", f"{name}.ipynb"), values, device)
    click.echo(records.keep(records.BUILT / f"{name}.json"))


def _run(notebook: Path, output: Path, values: dict, device: str) -> None:
    """Run a notebook; it gets the device if it has such a parameter."""
    try:
        from dotlib import notebooks
    except ImportError as error:
        raise InputError(f'run: needs what is not installed ({error.name}); pip install "dotlib[book]"') from error
    if "device" in notebooks.parameters(notebooks.read(notebook)):
        values = {"device": device} | values
    notebooks.run_notebook(notebook, output, values)


@main.command("choose-gp-weight")
@click.argument("dataset")
@profile_option
@seed_option
def choose_gp_weight(dataset: str, profile: str, seed: int) -> None:
    """Train the pair of a 2-D DATASET with every candidate weight and record which G is best."""
    from dotlib.experiments import gp_weight
    from dotlib.results import records

    chosen = gp_weight.gp_weight(dataset, profile=profile, seed=seed)
    click.echo(f"{records.write(chosen)}  chosen {chosen.get('chosen').value:g}")


@main.command()
@click.argument("output", type=Path)
@profile_option
@seed_option
def picture(output: Path, profile: str, seed: int) -> None:
    """Draw both rows of Figure 3, the README's picture, to OUTPUT."""
    from dotlib.experiments import fig3_toy

    fig3_toy.picture(profile, seed).savefig(output)
    click.echo(output)


if __name__ == "__main__":
    main(prog_name="dotlib")
