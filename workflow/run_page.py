"""Run one notebook of the book: run_page.py NOTEBOOK OUTPUT FAILURE [NAME=VALUE ...].

On failure OUTPUT does not exist, and FAILURE holds the message that is also printed.
"""

import os
import sys
from pathlib import Path

from dotlib.errors import FileError, InputError
from dotlib.notebooks import parse_values, run_notebook


def main(source, output, failure, *pairs):
    """Exit status 0 when OUTPUT was written, else 1."""
    failure = Path(failure)
    failure.unlink(missing_ok=True)
    limit = os.environ.get("DOTLIB_CELL_TIMEOUT")  # seconds
    try:
        run_notebook(source, output, parse_values(list(pairs)), cell_timeout=int(limit) if limit else None)
    except (FileError, InputError) as error:
        message = str(error) if str(error).startswith(source) else f"{source}: {error}"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(message + "\n", encoding="utf-8")
        print(message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
