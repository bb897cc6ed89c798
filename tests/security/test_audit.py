from security.audit import verdict


def test_a_vulnerability_is_told_with_the_version_that_mends_it() -> None:
    fault = {"id": "CVE-2025-0001", "fix_versions": ["1.1", "2.0"]}
    report = [
        {"name": "one", "version": "1.0", "vulns": [fault]},
        {"name": "two", "version": "2.0", "vulns": []},
    ]
    found, told = verdict(report)
    assert found == ["one 1.0: CVE-2025-0001, mended in 1.1, 2.0"]
    assert told.splitlines() == ["2 of 2 dependencies audited, 1 vulnerabilities.", *found]


def test_where_nobody_keeps_advisories_it_says_so_and_finds_nothing() -> None:
    found, told = verdict([{"name": "one", "skip_reason": "Dependency not found"}])
    assert found == []
    assert "were not audited" in told
