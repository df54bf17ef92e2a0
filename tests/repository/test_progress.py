"""Lines of a build: what runs, what is done, of how many, how long is left. Kinds: closed forms, failures."""

import json
import logging
import re
from types import SimpleNamespace

import pytest
import snakemake_logger_plugin_progress as progress
from snakemake_interface_logger_plugins.common import LogEvent

LOGS = "_build/logs/smoke"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A handler, in an empty folder, and a function that sends it an event at a given second."""
    monkeypatch.chdir(tmp_path)
    handler = progress.LogHandler(SimpleNamespace(dryrun=False), None)

    def send(second, event, message="", level="INFO", **values):
        attributes = {"event": event, "created": 1e9 + second, "msg": message, "levelname": level} | values
        handler.emit(logging.makeLogRecord(attributes))

    return SimpleNamespace(handler=handler, send=send, folder=tmp_path)


def start(build, second, job, rule, **wildcards):
    log = f"{LOGS}/{'-'.join([*([rule] if rule != 'step' else []), *wildcards.values()])}.log"
    build.send(second, LogEvent.JOB_INFO, jobid=job, rule_name=rule, wildcards=wildcards, log=[log])
    return log


def begin(build, jobs, cores=2):
    build.send(0, LogEvent.RESOURCES_INFO, cores=cores)
    build.send(0, LogEvent.RESOURCES_INFO)  # the same event also says other things
    build.send(0, LogEvent.RUN_INFO, stats={**jobs, "total": sum(jobs.values())})


def test_a_first_build_goes_by_its_own_mean(build, capsys):
    begin(build, {"step": 2, "page": 2})
    start(build, 0, 1, "step", kind="score", item="a")
    build.send(10, LogEvent.JOB_FINISHED, job_id=1)  # 10 s; left are one step and two pages, on two cores: 15 s
    start(build, 10, 2, "page", page="keff")
    build.send(14, LogEvent.JOB_FINISHED, job_id=2)  # a page took 4 s; left are one step and one page: 7 s
    assert capsys.readouterr().err.splitlines() == [
        "  0:00  0/4  start  score a",
        "  0:10  1/4  done   score a, 10 s; about 15 s left",
        "  0:10  1/4  start  page keff",
        "  0:14  2/4  done   page keff, 4 s; about 7 s left",
    ]


def test_later_builds_go_by_earlier_ones(build, capsys):
    logs = build.folder / LOGS
    logs.mkdir(parents=True)
    known = {"keff": ["page", 200.0], "tab1": ["page", 100.0], "old": ["step", 999.0]}
    (logs / progress.DURATIONS).write_text(json.dumps({f"{LOGS}/page-{k}.log": v for k, v in known.items()}))
    begin(build, {"step": 1, "page": 2}, cores=1)
    start(build, 0, 1, "step", kind="score", item="a")
    start(build, 0, 2, "page", page="keff")
    build.send(60, LogEvent.JOB_FINISHED, job_id=1)  # 140 s of keff and 100 s of tab1 are left
    assert capsys.readouterr().err.splitlines()[-1] == "  1:00  1/3  done   score a, 60 s; about 4 min left"
    build.send(90, LogEvent.JOB_FINISHED, job_id=2)
    start(build, 90, 3, "page", page="tab1")
    build.send(95, LogEvent.JOB_FINISHED, job_id=3)
    assert capsys.readouterr().err.splitlines()[-1] == "  1:35  3/3  done   page tab1, 5 s"
    build.handler.close()
    kept = json.loads((logs / progress.DURATIONS).read_text())
    assert kept[f"{LOGS}/page-tab1.log"] == ["page", 5.0] and kept[f"{LOGS}/page-old.log"] == ["step", 999.0]


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_damaged_durations_are_no_hindrance(build, capsys, text):
    (build.folder / LOGS).mkdir(parents=True)
    (build.folder / LOGS / progress.DURATIONS).write_text(text)
    begin(build, {"page": 1})
    start(build, 0, 1, "page", page="keff")
    assert "start  page keff" in capsys.readouterr().err


def test_a_failure_is_told_at_once_and_again_at_the_end(build, capsys):
    begin(build, {"page": 2})
    log = start(build, 0, 1, "page", page="keff")
    (build.folder / log).parent.mkdir(parents=True)
    (build.folder / log).write_text("".join(f"line {n}\n" for n in range(100)))
    build.send(1, LogEvent.ERROR, "CalledProcessError ...", level="ERROR", exception="RuleException")
    build.send(1, LogEvent.JOB_ERROR, level="ERROR", jobid=1, rule_name="page", log=[log])
    build.send(2, None, "Exiting because a job execution failed.", level="ERROR")
    for _ in range(2):  # snakemake closes it, and so does Python
        build.handler.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == f"  0:01  0/2  FAILED page keff; the end of {log}:"
    assert lines[2:-1] == [f"    line {n}" for n in range(100 - progress.TAIL, 100)]
    assert lines[-1] == f"failed: page keff; its log is {log}"


def test_other_errors_are_shown(build, capsys):
    build.send(0, LogEvent.ERROR, "MissingInputException: a.md", level="ERROR", exception="MissingInputException")
    build.send(0, None, "Nothing to be done (all requested files are present).")
    build.send(0, None, "Building DAG of jobs...")
    assert capsys.readouterr().err.splitlines() == ["MissingInputException: a.md", "nothing has changed"]


def test_the_name_of_the_next_record_is_no_job(build, capsys):
    begin(build, {"record": 1, "campaign": 1})
    start(build, 0, 1, "record", record="a/b")
    build.send(3, LogEvent.JOB_FINISHED, job_id=1)
    build.send(3, LogEvent.JOB_INFO, jobid=0, rule_name="campaign", wildcards={}, log=[])
    build.send(3, LogEvent.JOB_FINISHED, job_id=0)
    assert capsys.readouterr().err.splitlines() == [
        "  0:00  0/1  start  record a/b",
        "  0:03  1/1  done   record a/b, 3 s",
    ]


def test_a_build_that_was_stopped_says_so(build, capsys):
    begin(build, {"page": 2})
    message = "WorkflowError:\nAt least one job did not complete successfully."
    build.send(1, LogEvent.ERROR, message, level="ERROR", exception="WorkflowError")
    build.handler.close()
    assert capsys.readouterr().err == "stopped before the end; the same command continues\n"


def test_a_pair_is_named_without_its_digest_and_the_book_with_its_place(build, capsys):
    begin(build, {"pair": 1, "html": 1})
    start(build, 0, 1, "pair", item="swissroll-wgan-gp", key="0123456789ab")
    start(build, 0, 2, "html")
    build.send(3, LogEvent.JOB_FINISHED, job_id=2)
    first, _, done, place = capsys.readouterr().err.splitlines()
    assert first == "  0:00  0/2  start  pair swissroll-wgan-gp" and "done   html, 3 s" in done
    assert re.fullmatch("the book is at file://.*/_build/html/index.html", place)
