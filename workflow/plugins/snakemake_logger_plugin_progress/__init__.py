"""Snakemake's logger for people: a line for each job that starts, ends or fails, and how long is left."""

import contextlib
import json
import sys
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from dotlib.results import files

DURATIONS = "durations.json"  # beside the logs
NO_JOBS = {"total", "campaign"}  # a sum, and a name for the next record
TAIL = 12  # lines of a failed job's log


class LogHandler(LogHandlerBase):
    """Writes to stderr. Snakemake's full log lies in .snakemake/log as ever."""

    writes_to_stream = has_filter = has_formatter = True
    writes_to_file = needs_rulegraph = False

    def __post_init__(self):
        """Begin to count."""
        self.began, self.jobs_at_once, self.total, self.done, self.failed = None, 1, 0, 0, []
        self.waiting = {}  # rule -> number of its jobs that have not started
        self.running = {}  # job -> (what it makes, rule, logs, start)
        self.took, self.before = {}, {}  # log of a job -> [rule, seconds], in this build and in earlier ones

    def emit(self, record):
        """Print what an event means, if anything."""
        event = getattr(record, "event", None)
        self.began = self.began or record.created
        if event == LogEvent.RUN_INFO:
            self.waiting = {rule: jobs for rule, jobs in record.stats.items() if rule not in NO_JOBS}
            self.total = sum(self.waiting.values())
        elif event == LogEvent.RESOURCES_INFO:
            self.jobs_at_once = getattr(record, "cores", getattr(record, "nodes", self.jobs_at_once))
        elif event == LogEvent.JOB_INFO and record.rule_name not in NO_JOBS:
            self._start(record)
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.running:
            self._finish(record)
        elif event == LogEvent.JOB_ERROR:
            made, _, logs, _ = self.running.pop(record.jobid, (record.rule_name, "", record.log, 0))
            self.failed.append(f"failed: {made}; its log is {logs[0]}")
            self._say(record, "\n".join([f"FAILED {made}; the end of {logs[0]}:", *_end_of(logs[0])]))
        elif event == LogEvent.ERROR and "At least one job did not complete" in record.getMessage():
            self.failed = self.failed or ["stopped before the end; the same command continues"]
        elif record.levelname == "ERROR" and not self.failed and getattr(record, "exception", "") != "RuleException":
            print(record.getMessage(), file=sys.stderr)
        elif "Nothing to be done" in record.getMessage():
            print("nothing has changed", file=sys.stderr)

    def close(self):
        """Name what failed again, and keep how long each job took for the next build."""
        while self.failed:
            print(self.failed.pop(0), file=sys.stderr)
        if self.took:
            files.write_text(Path(next(iter(self.took))).with_name(DURATIONS), json.dumps(self.before | self.took))

    def _start(self, record):
        self.waiting[record.rule_name] -= 1
        words = [text for name, text in record.wildcards.items() if name != "key"]
        made = " ".join(words if record.rule_name == "step" else [record.rule_name, *words])
        self.running[record.jobid] = (made, record.rule_name, record.log, record.created)
        with contextlib.suppress(OSError, ValueError):  # a first build, or a damaged file
            self.before = self.before or json.loads(Path(record.log[0]).with_name(DURATIONS).read_text("utf-8"))
        self._say(record, f"{'to make' if self.common_settings.dryrun else 'start'}  {made}")

    def _finish(self, record):
        made, rule, logs, start = self.running.pop(record.job_id)
        self.done += 1
        self.took[logs[0]] = [rule, record.created - start]
        more = self.running or any(self.waiting.values())
        left = f"; about {_words(self._left(record.created))} left" if more else ""
        self._say(record, f"done   {made}, {_words(record.created - start)}{left}")
        if rule == "html":
            print(f"the book is at {Path('_build/html/index.html').resolve().as_uri()}", file=sys.stderr)

    def _left(self, now):
        """Seconds that the rest takes, by earlier builds of this profile, else by this one."""
        started = self.took.keys() | {logs[0] for _, _, logs, _ in self.running.values()}

        def usual(rule):
            seconds = (
                [seconds for log, (other, seconds) in self.before.items() if other == rule and log not in started]
                or [seconds for other, seconds in self.took.values() if other == rule]
                or [seconds for _, seconds in self.took.values()]
            )
            return sum(seconds) / len(seconds)

        rest = sum(jobs * usual(rule) for rule, jobs in self.waiting.items())
        for _, rule, logs, start in self.running.values():
            rest += max(0, self.before.get(logs[0], (rule, usual(rule)))[1] - (now - start))
        return rest / max(1, min(self.jobs_at_once, self.total - self.done))

    def _say(self, record, text):
        minutes, seconds = divmod(int(record.created - self.began), 60)
        count = f"{self.done:{len(str(self.total))}}/{self.total}"
        print(f"{minutes:3d}:{seconds:02d}  {count}  {text}", file=sys.stderr, flush=True)


def _words(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _end_of(log):
    text = Path(log).read_text("utf-8", errors="replace") if Path(log).exists() else ""
    return [f"    {line}" for line in text.splitlines()[-TAIL:]]
