"""Rows of text and numbers as a Markdown table."""

from collections.abc import Sequence

from dotlib.errors import InputError


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, first column to the left. Raises InputError for rows that are not as long as the header."""
    for row in rows:
        if len(row) != len(header):
            raise InputError(f"rows: {list(row)!r} has {len(row)} cells, the header {len(header)}; add or drop some")
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def plus_minus(value: float, sd: float | None, digits: int = 3) -> str:
    """A value with its sd, "0.052 ± 0.008", or alone where there is none."""
    text = f"{value:.{digits}f}"
    return text if sd is None else f"{text}\u00a0±\u00a0{sd:.{digits}f}"  # kept on one line


def change(mean: float, interval: tuple[float, float], digits: int = 2) -> str:
    """A difference and its interval, with signs: "-0.30 [-0.52, -0.08]"."""
    low, high = interval
    return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def count(n: int, noun: str) -> str:
    """A number with its noun, "1 pair", "2 pairs"."""
    return f"{n} {noun}{'s' * (n != 1)}"
