"""Notebooks opened by `make lab` work where papermill runs them: in the root of the repository."""

import os

os.chdir(os.environ.get("DOTLIB_ROOT", "."))
