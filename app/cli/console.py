"""What the commands share: the console, the connection, the progress bar of a job."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.client import LirfClient

console = Console(stderr=True, highlight=False)

UrlOption = Annotated[str, typer.Option("--url", envvar="LIRF_URL", help="Where the service listens.")]
KeyOption = Annotated[
    str, typer.Option("--key", envvar="LIRF_API_KEY", help="Your API key: lirf_<id>_<secret>.")
]

DEFAULT_URL = "http://127.0.0.1:8000"


@contextmanager
def connected(url: str, key: str) -> Iterator[LirfClient]:
    if not key:
        raise typer.BadParameter("No API key. Give --key, or set LIRF_API_KEY.")
    with LirfClient(url, key) as client:
        yield client


def follow(client: LirfClient, job_id: str, title: str) -> dict[str, Any]:
    """Show a job's course as a progress bar, fed by the server's events, and return the job when it succeeded."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, note="queued")

        def show(job: dict[str, Any]) -> None:
            progress = job["progress"] or {}
            if progress.get("phase") == "training":
                note = (
                    f"epoch {progress['epoch']}/{progress['epochs']} loss {progress['losses']['total']:.3f}"
                )
                bar.update(task, total=progress["steps"], completed=progress["step"], note=note)
            else:
                bar.update(task, note=progress.get("phase", job["state"].lower()))

        job = client.wait(job_id, show)
        bar.update(task, total=1, completed=1, note="done")
    return job
