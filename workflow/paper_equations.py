"""Sphinx extension: the equation labelled `eq-23` gets the paper's number, 23.

Sphinx would count the equations of each page. Docstrings and pages cite the paper's numbers, so the
label decides. Equations that the paper does not have are `eq-S1`, `eq-S2`, ... and numbered so;
those with other labels keep Sphinx's count.
"""

import re

from sphinx.application import Sphinx
from sphinx.domains.math import MathDomain


class PaperEquations(MathDomain):
    """The `math` domain, with numbers taken from labels of the form eq-N."""

    def note_equation(self, docname: str, labelid: str, location: object = None) -> None:
        """Register a label under the number in it."""
        super().note_equation(docname, labelid, location)
        if label := re.fullmatch(r"eq-(S?\d+)", labelid):
            self.equations[labelid] = docname, label[1]


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace Sphinx's `math` domain."""
    app.add_domain(PaperEquations, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
