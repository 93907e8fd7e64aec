"""The audit: what was found is told, and what could not be looked up is never passed off as clean."""

from __future__ import annotations

from tools.audit import VERDICTS, Findings, of_npm, of_pip_audit

CLEAN = {"name": "click", "version": "8.5.0", "vulns": []}
BAD = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": []}]}
UNKNOWN = {"name": "click", "skip_reason": "Dependency not found on PyPI and could not be audited: click (8.5.0)"}


def test_everything_looked_up_and_nothing_found_is_status_0() -> None:
    found = of_pip_audit({"dependencies": [CLEAN]})
    assert (found.status, found.looked_up, found.known, found.unknown) == (0, 1, [], [])


def test_what_is_found_is_told_with_the_version_that_mends_it() -> None:
    found = of_pip_audit({"dependencies": [CLEAN, BAD, UNKNOWN]})
    assert found.known == ["old 1.0: PYSEC-1, mended in 1.1"]
    assert found.status == 1


def test_what_was_not_looked_up_is_not_clean() -> None:
    found = of_pip_audit({"dependencies": [CLEAN, UNKNOWN]})
    assert found.status == 2
    assert found.unknown == [f"click: {UNKNOWN['skip_reason']}"]


def test_npm_that_was_refused_is_not_clean() -> None:
    assert of_npm({"message": "405 Method Not Allowed", "statusCode": 405}).status == 2
    assert of_npm({"error": {"code": "ENOTFOUND", "summary": "no route"}}).unknown[0].endswith("no route")
    clean = of_npm({"vulnerabilities": {}, "metadata": {"dependencies": {"total": 5}}})
    assert (clean.status, clean.looked_up) == (0, 5)
    bad = of_npm(
        {"vulnerabilities": {"htm": {"severity": "high", "range": "<4"}}, "metadata": {"dependencies": {"total": 5}}}
    )
    assert (bad.status, bad.known) == (1, ["htm: high, versions <4"])


def test_each_status_ends_with_what_it_means() -> None:
    clean, unknown = Findings(looked_up=1), Findings(unknown=["click: not there"])
    assert VERDICTS[clean.status].startswith("clean")
    assert VERDICTS[unknown.status].startswith("status 2: this says neither good nor bad")
    assert VERDICTS[Findings(known=["old"], unknown=["click"]).status].startswith("status 1")
