"""Kinds of test: identities (what was put is shown)."""

from dotlib.experiments import tab1_scores
from dotlib.metrics.scores import IMAGE_SCORES
from dotlib.results import records


def test_the_table_of_directions_has_a_dash_where_a_score_is_undecided():
    record = records.start("tab1_scores", profile="smoke", dataset="digits", seed=0, parameters={"updates": 20})
    for name in IMAGE_SCORES:
        ends = {"fid": (-2.0, -1.0), "precision": (-0.2, -0.1)}.get(name, (-1.0, 1.0))
        record.put(name, sum(ends) / 2, method="dot", setting=20, against="bare", interval=ends, unit="", n=5)
    row = tab1_scores.said_table({"SNGAN": record}).splitlines()[-1]
    assert row == "| SNGAN | - | better | - | worse | - | - | - |"
