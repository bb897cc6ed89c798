"""A typed client of the service, for the command line, the demo and anyone's scripts."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
from httpx_sse import connect_sse

Json = dict[str, Any]

ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}


class ProblemError(Exception):
    """The service refused; attributes are those of its problem+json.

    Attributes:
        status: HTTP status, 0 if the service was not reached.
        problem: the whole problem body.
    """

    def __init__(self, status: int, problem: Json) -> None:
        self.status = status
        self.problem = problem
        field = f"{problem['field']}: " if problem.get("field") else ""
        super().__init__(" ".join(filter(None, [f"{field}{problem.get('detail')}", problem.get("remedy")])))


class JobFailedError(Exception):
    """A job ended without success; ``job`` is its last state."""

    def __init__(self, job: Json) -> None:
        self.job = job
        error = job["error"] or {}
        told = " ".join(filter(None, [error.get("detail"), error.get("remedy")]))
        super().__init__(f"Job {job['id']} {job['state'].lower()}. {told}".strip())


class LirfClient:
    """One connection to a service.

    Args:
        url: where it listens, e.g. ``http://127.0.0.1:8000``.
        key: ``lirf_<id>_<secret>``.
        timeout: seconds to wait for an answer; uploads of large data sets are decoded before it comes.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 600.0) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(timeout, connect=10.0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # models

    def register_model(self, spec: Json, weights: bytes) -> Json:
        """Register a model with safetensors weights; ``spec`` is the body of POST /models."""
        files = {"weights": ("weights.safetensors", weights, "application/octet-stream")}
        return self._object("POST", "/models", data={"spec": json.dumps(spec)}, files=files)

    def train_model(self, spec: Json) -> Json:
        """Register a model that a job trains; ``spec["train"]`` says how, the answer's ``job`` names the job."""
        return self._object("POST", "/models", json=spec)

    def model(self, name: str) -> Json:
        return self._object("GET", f"/models/{name}")

    def models(self) -> list[Json]:
        return self._array("GET", "/models")

    def roll_back(self, name: str, version: int) -> Json:
        return self._object("POST", f"/models/{name}/rollback", json={"version": version})

    # data sets

    def upload_dataset(self, name: str, file: Path) -> Json:
        """Upload a Parquet or ZIP file."""
        with file.open("rb") as stream:
            files = {"file": (file.name, stream, "application/octet-stream")}
            return self._object("POST", "/datasets", data={"name": name}, files=files)

    def builtin_dataset(self, name: str, builtin: str, split: str) -> Json:
        return self._object("POST", "/datasets", json={"name": name, "builtin": builtin, "split": split})

    def dataset(self, name: str) -> Json:
        return self._object("GET", f"/datasets/{name}")

    # deposits and jobs

    def deposit(self, body: Json) -> Json:
        """Ask for a deposit; the answer names the ``job`` and the ``deposits``."""
        return self._object("POST", "/deposits", json=body)

    def deposit_state(self, deposit_id: str) -> Json:
        return self._object("GET", f"/deposits/{deposit_id}")

    def deposits(self, model: str | None = None) -> list[Json]:
        return self._array("GET", "/deposits", params={"model": model} if model else None)

    def certificate(self, deposit_id: str) -> Json:
        """The signed statement about a deposit, to be kept and checked with ``lirf verify``."""
        return self._object("GET", f"/deposits/{deposit_id}/certificate")

    def audit_deposit(self, deposit_id: str, dataset: str, seed: int = 0) -> Json:
        """Have the deposit audited with labelled images; the answer names the ``job``."""
        body = {"dataset": dataset, "seed": seed}
        return self._object("POST", f"/deposits/{deposit_id}/audits", json=body)

    def kept_images(self, deposit_id: str) -> bytes:
        """The Parquet file of the images that were kept with the original."""
        return self._sent("GET", f"/deposits/{deposit_id}/images").content

    def erase(self, deposit_id: str, after: int | None = None) -> Json:
        """Disable a deposit and have it erased ``after`` seconds; the operator's default if left out, 0 for now."""
        params = None if after is None else {"after": after}
        return self._object("DELETE", f"/deposits/{deposit_id}", params=params)

    def enable(self, deposit_id: str) -> Json:
        """Take a coming erasure back."""
        return self._object("DELETE", f"/deposits/{deposit_id}/erasure")

    def job(self, job_id: str) -> Json:
        return self._object("GET", f"/jobs/{job_id}")

    def cancel(self, job_id: str) -> Json:
        return self._object("DELETE", f"/jobs/{job_id}")

    def job_events(self, job_id: str) -> Iterator[Json]:
        """Yield the job at every change until it has ended."""
        with connect_sse(self._http, "GET", f"/jobs/{job_id}/events") as source:
            if source.response.is_error:
                source.response.read()
                raise _problem(source.response)
            for event in source.iter_sse():
                if event.data:
                    yield event.json()

    def wait(self, job_id: str, on_change: Callable[[Json], None] | None = None) -> Json:
        """Follow the job to its end; raise JobFailedError unless it succeeds."""
        job: Json | None = None
        while job is None or job["state"] not in ENDED:  # a broken stream is taken up again
            for job in self.job_events(job_id):
                if on_change:
                    on_change(job)
        if job["state"] != "SUCCEEDED":
            raise JobFailedError(job)
        return job

    # rights

    def create_key(self, principal: str, role: str = "member", expires_at: str | None = None) -> Json:
        return self._object(
            "POST", "/keys", json={"principal": principal, "role": role, "expires_at": expires_at}
        )

    def grant(self, principal: str, *, deposit: str | None = None, model: str | None = None) -> Json:
        return self._object(
            "POST", "/grants", json={"principal": principal, "deposit": deposit, "model": model}
        )

    def revoke_grant(self, grant_id: str) -> Json:
        return self._object("DELETE", f"/grants/{grant_id}")

    def withdraw(
        self,
        deposits: Sequence[str],
        reason: str,
        scope: str | Mapping[str, str] = "caller",
        expires_at: str | None = None,
    ) -> Json:
        body = {"deposits": list(deposits), "reason": reason, "scope": scope, "expires_at": expires_at}
        return self._object("POST", "/withdrawals", json=body)

    def withdrawals(self) -> list[Json]:
        return self._array("GET", "/withdrawals")

    def end_withdrawal(self, withdrawal_id: str) -> Json:
        return self._object("DELETE", f"/withdrawals/{withdrawal_id}")

    # the vault

    def vault(self) -> Json:
        return self._object("GET", "/vault")

    def seal_vault(self, reason: str) -> Json:
        return self._object("POST", "/vault/seal", json={"reason": reason})

    def unseal_vault(self) -> Json:
        return self._object("POST", "/vault/unseal")

    def rotate_vault(self) -> Json:
        """One step of a rotation; repeat it until ``left`` is 0."""
        return self._object("POST", "/vault/rotations")

    # the ledger

    def ledger(self, after: int = 0, limit: int = 1000) -> list[Json]:
        """Entries after a number, in order."""
        return self._array("GET", "/audit", params={"after": after, "limit": limit})

    def ledger_head(self) -> Json:
        return self._object("GET", "/audit/head")

    # predictions

    def predict(self, model: str, images: Sequence[bytes], top_k: int = 5) -> list[Json]:
        """Classify encoded images (PNG, JPEG or WebP)."""
        encoded = [b64encode(image).decode() for image in images]
        return self._array("POST", "/predict", json={"model": model, "images": encoded, "top_k": top_k})

    def predict_rows(self, model: str, dataset: str, indices: Sequence[int], top_k: int = 5) -> list[Json]:
        """Classify rows of a stored data set."""
        body = {"model": model, "dataset": dataset, "indices": list(indices), "top_k": top_k}
        return self._array("POST", "/predict", json=body)

    def ready(self) -> bool:
        """Whether the service answers and its database does."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def _object(self, method: str, path: str, **arguments: Any) -> Json:
        return cast("Json", self._send(method, path, **arguments))

    def _array(self, method: str, path: str, **arguments: Any) -> list[Json]:
        return cast("list[Json]", self._send(method, path, **arguments))

    def _send(self, method: str, path: str, **arguments: Any) -> Any:
        return self._sent(method, path, **arguments).json()

    def _sent(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            detail = f"The service at {self._http.base_url} was not reached ({error})."
            raise ProblemError(0, {"detail": detail, "remedy": "Start it with `lirf up`."}) from error
        if response.is_error:
            raise _problem(response)
        return response


def _problem(response: httpx.Response) -> ProblemError:
    try:
        body = response.json()
    except ValueError:
        body = {"detail": f"HTTP {response.status_code} without a problem body."}
    return ProblemError(response.status_code, body)
