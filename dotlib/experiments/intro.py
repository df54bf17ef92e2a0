"""The first page: what was found."""

STEPS = (("page", "*"), ("record", "*"))
