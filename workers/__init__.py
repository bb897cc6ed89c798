"""Celery workers: thin shells round `app.services`."""
