"""The last page: what this build measured, and where."""

STEPS = (("page", "*"), ("record", "*"))
