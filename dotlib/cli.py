"""dotlib on the command line. Names are checked and plans told before torch is loaded, which takes seconds."""

import ast
import contextlib
import inspect
import statistics
import sys
from pathlib import Path
from typing import IO

import click

from dotlib import steps
from dotlib.errors import FileError, InputError, NothingAcceptedError, SettingsDifferError, check_option, nearest
from dotlib.profiles import PROFILES
from dotlib.results import files, provenance
from dotlib.training import plan
from dotlib.training.settings import (
    ARCHITECTURES,
    CONDITIONAL,
    GP_WEIGHT,
    GREY,
    LABELLED,
    MLP,
    OBJECTIVES,
    SHAPES,
    WIDE,
    WIDE_PAIR,
    pair_file,
    settings_of,
)

JUDGES = ("classifier", "inception", "efficientnet")
DEVICES = ("cpu", "cuda", "mps", "xpu")
MAINTAIN = ("record", "keep", "ship", "choose-gp-weight", "picture")
PAIRS = f"""\b
NAME:
  {"  ".join(f"{dataset}-wgan-gp" for dataset in GP_WEIGHT)}
  <{"|".join(SHAPES)}>-<{"|".join(ARCHITECTURES)}>-<OBJECTIVE>
  <{"|".join(LABELLED)}>-cond-<{"|".join(CONDITIONAL)}>
  <{"|".join(GREY)}>-mlp-<{"|".join(MLP)}>
  {WIDE_PAIR}-<{"|".join(WIDE)}>
OBJECTIVE: {", ".join(OBJECTIVES)}"""
KINDS = "\n".join(["\b", "KIND:", *(f"  {name:8} {step.run.__doc__}" for name, step in steps.KINDS.items())])


class Misuse(click.UsageError):
    """Words that no command takes, told in one line: what is wrong, and the command's example."""

    @classmethod
    def of(cls, error: click.UsageError) -> click.UsageError:
        """The same in one line; a call without any word still shows the help."""
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # click 8.1 has none
            return error
        command = error.ctx.command if error.ctx else main
        if isinstance(error, click.NoSuchOption):
            known = sorted(name for each in command.params for name in each.opts if name.startswith("-"))
            what = f"option: unknown {error.option_name!r}; known: {', '.join([*known, '--help'])}"
            return cls(what + nearest(error.option_name, known))
        if isinstance(error, click.MissingParameter) and error.param:
            what = f"{error.param.human_readable_name}: missing"
        elif isinstance(error, click.BadParameter) and error.param:
            what = f"{error.param.opts[0]}: {error.message.rstrip('.')}"
        elif isinstance(error, click.BadOptionUsage):
            what = f"{error.option_name}: found no value"
        else:
            said = error.format_message().rstrip(".")
            what = f"{command.name}: {said[:1].lower()}{said[1:]}"
        return cls(f"{what}; {(command.epilog or 'see dotlib --help').replace('Example:', 'write')}")

    def show(self, file: IO | None = None) -> None:
        """Print the line."""
        click.echo(f"dotlib: {self.message}", file=file, err=True)


class Commands(click.Group):
    """Commands whose known errors are told in one line, with exit status 2."""

    def make_context(self, *arguments, **settings) -> click.Context:
        """Read what stands before the command. Raises Misuse."""
        try:
            return super().make_context(*arguments, **settings)
        except click.UsageError as error:
            raise Misuse.of(error) from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple:
        """The command that the first word names. Raises InputError."""
        check_option("command", args[0], self.commands)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise Misuse.of(error) from error
        except (FileError, InputError, NothingAcceptedError, SettingsDifferError) as error:
            click.echo(f"dotlib: {error}", err=True)
            ctx.exit(2)
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(f"dotlib: {error.filename}: {error.strerror}; name another file or folder", err=True)
            ctx.exit(2)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of use, as they stand in this module."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with its example; those of maintainers under a head of their own."""
        readers = [name for name in self.commands if name not in MAINTAIN]
        for head, names in (("Commands, in the order of use", readers), ("For maintainers", MAINTAIN)):
            with formatter.section(head):
                for name in names:
                    command = self.commands[name]
                    formatter.write_dl(
                        [
                            (f"{name:16}", command.get_short_help_str(200)),
                            ("", (command.epilog or "").removeprefix("Example: ")),
                        ]
                    )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What holds for all commands: options, durations, places, and how to go on after a stop."""
        for head, rows in (
            ("Options of the commands", OPTIONS),
            ("How long it takes", _durations()),
            ("What is written where", _places()),
            ("After a stop", STOPPED),
        ):
            with formatter.section(head):
                formatter.write_dl(rows)


OPTIONS = [
    ("--profile", f"{', '.join(PROFILES)}; laptop where nothing is said"),
    ("--seed", "a whole number; 0 where nothing is said"),
    ("--device", "cpu, or cuda where there is one; cpu where nothing is said"),
    ("-p NAME=VALUE", "of run and record: a parameter of the notebook; its first code cell lists them with defaults"),
]
STOPPED = [("", "Give the same command again. Training, transports and scores go on from what they saved.")]


def _durations() -> list[tuple[str, str]]:
    """Of the profiles; that of "laptop" is read from the shipped pairs."""
    seconds = [meta["made"]["seconds_since_resume"] for meta in plan.shipped_metas(profile="laptop")]
    middle, longest = (plan.spelt(each(seconds or [0])) for each in (statistics.median, max))
    shipped = f"half of the {len(seconds)} shipped pairs took at most {middle} of one core each, the longest {longest}"
    return [
        ("smoke", "seconds a command; shows that it runs and compares nothing"),
        ("laptop", shipped if seconds else "minutes to hours of one core"),
        ("paper", "the published sizes: hours of one core in 2-D, an accelerator for images"),
        ("", "train says at once how long it took before, then how far it is."),
    ]


def _places() -> list[tuple[str, str]]:
    """Where this copy of the package writes."""
    return [
        (str(files.artifacts()), "pairs, judges, measured sets; DOTLIB_ARTIFACTS names another folder"),
        (str(files.home() / "records"), "records of numbers, with their provenance"),
        ("OUTPUT", "of run and picture: the file that you name, whole or not at all"),
    ]


class Names(click.Choice):
    """Choices; another word is refused in one line that names the nearest."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value. Raises InputError."""
        check_option((param and param.name) or "value", value, self.choices)
        return value


def _device(_: click.Context, __: click.Parameter, value: str) -> str:
    """A device by its name, "cuda:1" for the second. Raises InputError."""
    check_option("device", value.partition(":")[0], DEVICES)
    return value


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


profile_option = click.option(
    "--profile", type=Names(PROFILES), default="laptop", show_default=True, help="the size of the run"
)
seed_option = click.option("--seed", default=0, show_default=True, help="of data, weights and training")
device_option = click.option(
    "--device", default="cpu", show_default=True, callback=_device, help="cpu, or cuda where there is one"
)
values_option = click.option(
    "-p", "values", multiple=True, callback=lambda *given: _values(given[-1]), metavar="NAME=VALUE", help="a parameter"
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def main() -> None:
    """Train a pair (G, D), make what a page needs, run the page's notebook.

    `dotlib COMMAND --help` says more of a command.
    """


def _tell(line: str) -> None:
    click.echo(line, err=True)


@main.command(epilog="Example: dotlib train digits-dcgan-sngan-ns --seed 7")
@click.argument("name")
@profile_option
@seed_option
@device_option
def train(name: str, profile: str, seed: int, device: str) -> None:
    """Train the pair NAME, unless it is shipped or there.

    It says at once what it will do and how long that took before, then how far it is; at the end it names the file.
    """
    settings = settings_of(name, profile, seed)
    path = pair_file(name, settings, profile)
    plan.announce(_tell, name, settings, profile, device)
    drawn = path.exists() or sys.stderr.isatty()  # in a terminal the training itself draws a bar
    with contextlib.nullcontext() if drawn else plan.progress(_tell, path, settings):
        click.echo(steps.run("pair", name, profile=profile, seed=seed, device=device))


train.help = f"{inspect.cleandoc(train.help or '')}\n\n{PAIRS}"


@main.command(epilog="Example: dotlib step score digits-dcgan-sngan-ns")
@click.argument("kind", metavar="KIND", type=Names(steps.KINDS))
@click.argument("item")
@profile_option
@seed_option
@click.option("--judge", type=Names(JUDGES), help="of images; classifier where nothing is said, inception of table3")
@device_option
def step(kind: str, item: str, **settings: str) -> None:
    """Make once what a page would make, so that it only has to load it.

    ITEM is a pair, for move and judge a data set, for table3 a trial of Table 3.
    """
    click.echo(steps.run(kind, item, **settings))


step.help = f"{inspect.cleandoc(step.help or '')}\n\n{KINDS}"


@main.command(epilog="Example: dotlib run notebooks/keff.md keff.ipynb -p profile=smoke")
@click.argument("notebook", type=Path)
@click.argument("output", type=Path)
@values_option
@device_option
def run(notebook: Path, output: Path, values: dict, device: str) -> None:
    """Run the text notebook NOTEBOOK as the book does; OUTPUT, an .ipynb, appears when all of it ran."""
    _run(notebook, output, values, device)


@main.command(epilog="Example: dotlib record tab1_scores/laptop-mnist-dcgan-sngan-ns-s0")
@click.argument("name")
@values_option
@device_option
def record(name: str, values: dict, device: str) -> None:
    """Run a page for one of its records, STEM/KEY, with the parameters of results/campaign.yml, and keep that.

    A key that is not listed there needs its parameters, by -p.
    """
    import yaml

    if provenance.checkout() != Path.cwd():
        raise InputError(f"record: {Path.cwd()} is not the repository of this package; run it in a checkout's root")
    listed = yaml.safe_load(Path("results/campaign.yml").read_text(encoding="utf-8"))
    stem, _, key = name.partition("/")
    check_option("stem", stem, [path.stem for path in Path("notebooks").glob("*.md")])
    if not values:
        check_option("key", key, [other.partition("/")[2] for other in listed if other.startswith(f"{stem}/")])
    if provenance.source_state()[1]:
        raise InputError("source: tracked files are changed; commit them, then make the record")
    notebook, values = Path("notebooks", f"{stem}.md"), listed.get(name, {}) | values
    _run(notebook, Path("_build/campaign", f"{name}.ipynb"), values, device, anew=True)
    from dotlib.results import records

    click.echo(records.keep(records.BUILT / f"{name}.json"))


def _run(notebook: Path, output: Path, values: dict, device: str, *, anew: bool = False) -> None:
    """Run a notebook; it gets the device, and whether to measure anew, if it has such parameters."""
    for name, known in (("profile", PROFILES), ("judge", JUDGES)):
        if name in values:
            check_option(name, values[name], known)
    try:
        from dotlib import notebooks
    except ImportError as error:
        raise InputError(f'run: needs what is not installed ({error.name}); pip install "dotlib[book]"') from error
    known, offered = (
        notebooks.parameters(notebooks.read(notebook)),
        {"device": device} | ({"anew": True} if anew else {}),
    )
    values = {name: value for name, value in offered.items() if name in known} | values
    notebooks.run_notebook(notebook, output, values, tell=_tell)


@main.command(epilog="Example: dotlib keep _build/records/keff/laptop-digits-s0.json")
@click.argument("path", type=Path, nargs=-1, required=True)
def keep(path: tuple[Path, ...]) -> None:
    """Copy records of this build, _build/records/STEM/KEY.json, among the committed ones."""
    for record in path:
        if not record.is_file():
            near = nearest(record, map(str, (files.home() / "records").glob("*/*.json")))
            raise FileError(f"{record}: no such record; run its notebook first, see book/run-in-batch{near}")
    from dotlib.results import records

    for record in path:
        click.echo(records.keep(record))


@main.command(epilog="Example: dotlib ship digits-dcgan-sngan-ns --seed 7")
@click.argument("name")
@seed_option
@profile_option
def ship(name: str, seed: int, profile: str) -> None:
    """Copy the trained pair NAME among the committed ones, pairs/, and list it in pairs/README.md."""
    settings_of(name, profile, seed)  # refuses a name before torch is loaded
    from dotlib.training import shipped

    click.echo(shipped.ship(name, seed=seed, profile=profile))


@main.command("choose-gp-weight", epilog="Example: dotlib choose-gp-weight swissroll")
@click.argument("dataset", type=Names(GP_WEIGHT))
@profile_option
@seed_option
def choose_gp_weight(dataset: str, profile: str, seed: int) -> None:
    """Train the pair of a 2-D DATASET with every candidate weight and record which G is best."""
    from dotlib.experiments import gp_weight
    from dotlib.results import records

    chosen = gp_weight.gp_weight(dataset, profile=profile, seed=seed)
    click.echo(f"{records.write(chosen)}  chosen {chosen.get('chosen').value:g}")


@main.command(epilog="Example: dotlib picture book/_static/fig3.png")
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
