"""The worker's Celery application: ``celery -A workers.celery_app worker``."""

import os

from app.patience import be_patient

# a cold shutdown on SIGTERM: the claim lapses and another worker takes the job, so there is nothing to wait for
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
be_patient(os.environ)  # before anything below loads torch

from app import traces
from app.config import Settings
from app.queue import make_celery

settings = Settings()
traces.require(settings.traces)  # here, since Celery only logs what a signal's receiver raises
celery_app = make_celery(settings)
celery_app.conf.imports = ("workers.tasks", "workers.lifecycle")
