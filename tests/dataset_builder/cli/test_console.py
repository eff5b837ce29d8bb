"""What a summary says, how loud it is, and how a command that did nothing ends."""

from collections import Counter

import click
import pytest
from click.testing import CliRunner

from dataset_builder.cli.console import print_summary
from dataset_builder.cli.listed import ListedOption
from dataset_builder.cli.main import EXIT_STATUSES, main
from dataset_builder.work.report import StageReport
from dataset_builder.work.unit import Failure
from restorers.fidelity import METRICS
from tests.places import ROOT


def report(*, failures=0, remarks=0, **counts):
    made = StageReport("labels", Counter(counts), remarks=[f"remark {number}" for number in range(remarks)])
    for number in range(failures):
        failure = Failure("ValueError", f"frame {number} is odd (at mine.py:3 in restore)", trace=f"calls {number}\n")
        made.fail(failure, source="s", burst_id=f"b{number}", scenario="mine:Net")
    return made


def summarise(root, reports, *flags):
    @click.command()
    @click.option("--debug", is_flag=True)
    @click.option("-q", "quiet", is_flag=True)
    @click.option("-v", "verbose", is_flag=True)
    @click.pass_context
    def command(ctx, **_):
        ctx.exit(print_summary(root, reports))

    return CliRunner().invoke(command, flags)


def test_the_exit_status_tells_what_became_of_it(tiny_original):
    for counts, status in (
        ({"created": 2}, 0),
        ({"reused": 2, "skipped": 3}, 0),
        ({"extended": 1, "skipped": 1}, 0),
        ({"left out": 3}, 0),
        ({"skipped": 3}, 3),
        ({"created": 1, "failures": 1}, 3),
    ):
        result = summarise(tiny_original, [report(**counts)])
        assert result.exit_code == status, counts
        assert ("nothing could be labelled" in result.output) == (counts == {"skipped": 3})


def test_rare_actions_are_shown_where_there_are_any(tiny_original):
    common = summarise(tiny_original, [report(created=1)]).output
    assert "left out" not in common
    assert "extended" not in common
    assert "left out" in summarise(tiny_original, [report(created=1, **{"left out": 2})]).output


def test_quiet_says_what_failed_and_verbose_says_all(tiny_original):
    reports = [report(created=4, failures=9, remarks=40)]
    plain, quiet, verbose = (summarise(tiny_original, reports, *flags).output for flags in ((), ("-q",), ("-v",)))
    assert (plain.count("is odd"), plain.count("remark")) == (5, 30)
    assert (quiet.count("is odd"), quiet.count("remark")) == (5, 0)
    assert (verbose.count("is odd"), verbose.count("remark")) == (9, 40)
    assert "report " in plain
    assert "report " not in quiet
    assert "mine.py:3 in restore" in quiet
    assert summarise(tiny_original, [report(created=1)], "-q").output == ""
    assert "remark 0" in summarise(tiny_original, [report(skipped=3, remarks=1)], "-q").output
    assert "calls 0" not in plain
    assert "calls 0" in summarise(tiny_original, reports, "--debug").output


def test_quiet_and_verbose_exclude_each_other():
    result = CliRunner().invoke(main, ["-q", "-v", "info", "."])
    assert result.exit_code == 2
    assert "exclude each other" in result.output


def test_exit_statuses_are_in_help_and_on_one_page():
    shown = CliRunner().invoke(main, ["--help"]).output
    page = (ROOT / "docs" / "building.md").read_text(encoding="utf-8")
    for status, meaning in EXIT_STATUSES.items():
        assert f"  {status:15}{meaning}" in shown
        assert f"| {status} | {meaning} |" in page


@pytest.mark.parametrize("command", [["label"], ["evaluate"], ["gain"], ["list"]])
def test_help_lists_the_metrics(command):
    shown = " ".join(CliRunner().invoke(main, [*command, "--help"]).output.split())
    assert f"There are {', '.join(METRICS)}." in shown


def test_help_lists_names_once_however_often_it_is_asked():
    option = ListedOption(["--kind"], names=lambda: ["one", "two"], help="What kind.")
    context = click.Context(click.Command("x", params=[option]))
    assert [option.get_help_record(context)[1] for _ in range(2)] == ["What kind. There are one, two."] * 2
