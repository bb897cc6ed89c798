"""An address that keeps failing to authenticate has to wait, and nobody else does."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from app.api.failures import MOST_ADDRESSES, AuthFailures
from app.config import Settings
from app.domain.errors import TooMany
from app.serve import prepare


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failures(clock: Clock) -> AuthFailures:
    return AuthFailures(6, clock)


def test_an_address_may_fail_so_often_and_then_waits(failures: AuthFailures, clock: Clock) -> None:
    for _ in range(6):
        failures.check("a")
        failures.failed("a")
    with pytest.raises(TooMany, match="carried no usable API key") as refusal:
        failures.check("a")
    assert refusal.value.retry_after == 10
    clock.now += 9.9
    with pytest.raises(TooMany):
        failures.check("a")
    clock.now += 0.2
    failures.check("a")


def test_others_are_not_made_to_wait(failures: AuthFailures) -> None:
    for _ in range(6):
        failures.failed("a")
    failures.check("b")


def test_failures_are_forgiven_but_not_saved_up(failures: AuthFailures, clock: Clock) -> None:
    failures.failed("a")
    clock.now += 3600
    for _ in range(6):
        failures.check("a")
        failures.failed("a")
    with pytest.raises(TooMany):
        failures.check("a")


def test_the_memory_is_bounded(failures: AuthFailures) -> None:
    for number in range(MOST_ADDRESSES + 100):
        failures.failed(str(number))
    assert len(failures._left) == MOST_ADDRESSES


def test_over_http_it_is_429_with_the_time_to_wait(
    tmp_path: Path, serve: Callable[[Settings], AbstractContextManager[httpx.Client]]
) -> None:
    settings = Settings(data_dir=tmp_path, auth_failures_per_minute=3)
    admin = prepare(settings)
    with serve(settings) as http:
        wrong = {"Authorization": "Bearer lirf_0123456789ab_" + "0" * 64}
        assert [http.get("/models", headers=wrong).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        answer = http.get("/models", headers=wrong)
        assert 0 < int(answer.headers["retry-after"]) <= 20
        assert answer.json()["type"] == "/problems/too-many"
        assert http.get("/healthz").status_code == 200
        assert http.get("/models", headers={"X-API-Key": str(admin)}).status_code == 429


def test_answers_carry_security_headers(http: httpx.Client) -> None:
    for path in ("/healthz", "/models", "/no-such-path"):
        headers = http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "content-security-policy" not in http.get("/docs").headers
