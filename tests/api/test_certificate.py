"""A deposit's certificate over HTTP, and `lirf verify` on it without any service."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.cli.main import cli
from app.db.models import Deposit
from app.db.session import Sessions

Json = dict[str, Any]
Headers = dict[str, str]
Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def certificate(http: httpx.Client, owner: Headers, deposit: str) -> Json:
    answer = http.get(f"/deposits/{deposit}/certificate", headers=owner)
    assert answer.status_code == 200, answer.text
    content: Json = answer.json()
    return content


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    def run(content: Json, *options: str) -> tuple[int, str]:
        file = tmp_path / "certificate.json"
        file.write_text(json.dumps(content))
        done = CliRunner().invoke(cli, ["verify", str(file), *options])
        return done.exit_code, " ".join(done.output.split())

    return run


def test_it_is_valid_and_tells_what_was_forgotten(certificate: Json, verify: Verify, deposit: str) -> None:
    code, told = verify(certificate)
    assert code == 0, told
    assert "signed by the key that came with it" in told
    assert f"Deposit {deposit} of " in told
    assert "version 1 to 2, by lirf+." in told
    assert "deposit.sealed at " in told


def test_with_a_key_from_elsewhere_it_is_signed_and_unchanged(
    certificate: Json, verify: Verify, tmp_path: Path
) -> None:
    key = tmp_path / "service.pem"
    key.write_text(certificate["public_key"])
    code, told = verify(certificate, "--key", str(key))
    assert (code, told.startswith("Signed and unchanged.")) == (0, True)


def test_a_changed_certificate_is_not_valid(certificate: Json, verify: Verify) -> None:
    envelope = certificate["envelope"]
    changed = {**certificate, "envelope": {**envelope, "payload": envelope["payload"][:-8] + "AAAA" + "AAA="}}
    code, told = verify(changed)
    assert (code, told) == (1, "Not valid. The signature is not of this content: it was changed.")


def test_another_services_key_does_not_do(certificate: Json, verify: Verify, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n"
    )
    code, told = verify(certificate, "--key", str(other))
    assert code == 1
    assert "Not valid. This is signed by" in told


def test_whoever_has_the_set_can_check_that_it_is_the_one(
    certificate: Json, verify: Verify, database: Sessions, deposit: str
) -> None:
    with database.read() as session:
        digest = session.scalars(select(Deposit.set_digest).where(Deposit.id == deposit)).one()
    assert verify(certificate, "--set-digest", digest)[0] == 0
    code, told = verify(certificate, "--set-digest", "ab" * 32)
    assert (code, told) == (1, "Not valid. It commits to another set, or the salt is another one.")
    assert verify({**certificate, "salt": "ab" * 32}, "--set-digest", digest)[0] == 1
    assert verify({**certificate, "salt": "none"}, "--set-digest", digest)[0] == 1


@pytest.mark.parametrize("content", [{}, {"public_key": "none"}, {"public_key": 7}])
def test_a_file_that_is_no_certificate_says_so(content: Json, verify: Verify) -> None:
    code, told = verify(content)
    assert code == 2
    assert "cannot be read" in told


def test_it_is_for_whoever_may_read_the_deposit(
    http: httpx.Client, member: Headers, owner: Headers, deposit: str, model: str, data: str
) -> None:
    assert http.get(f"/deposits/{deposit}/certificate", headers=member).status_code == 404
    order = {"model": model, "dataset": data, "select": {"classes": ["7"]}}
    accepted = http.post("/deposits", json=order, headers=owner).json()
    early = http.get(f"/deposits/{accepted['deposits'][0]}/certificate", headers=owner)
    http.delete(f"/jobs/{accepted['job']}", headers=owner)
    assert early.status_code == 409
    assert "is queued, not sealed: there is nothing to certify." in early.json()["detail"]
