"""Tasks: a name and an id; the work is in `app.services`."""

from typing import Any

from app import traces
from app.config import Settings
from app.db.session import open_sessions
from app.queue import RUN_JOB, Doorbell
from app.services.run_job import run_job
from app.vault.opening import open_vault
from workers.celery_app import celery_app


@celery_app.task(name=RUN_JOB, bind=True)  # type: ignore[untyped-decorator]
def run(self: Any, job_id: str) -> None:
    settings = Settings()
    sessions = open_sessions(settings.database_url)
    vault = open_vault(settings, sessions)
    try:
        with traces.under(self.request.headers):
            following = run_job(vault, settings, job_id)
    finally:
        vault.close()
        sessions.close()
    if following is not None:
        Doorbell(settings).ring(following)
