"""The web application; `create_app` is the only wiring."""

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app import traces
from app.api import (
    audit,
    datasets,
    deposits,
    grants,
    health,
    jobs,
    keys,
    metrics,
    models,
    predict,
    problems,
    vault,
    withdrawals,
)
from app.api.context import Context
from app.api.express import Express
from app.api.failures import AuthFailures
from app.api.instruments import Metrics, RequestMetrics
from app.api.middleware import Admission, AfterDecisions, BodyLimit, Gate, RequestId, SecurityHeaders
from app.api.oip import metrics as oip_metrics
from app.api.oip import routes as oip
from app.api.tracing import telemetry
from app.config import Settings
from app.db.session import open_sessions
from app.inference.composer import Composer
from app.inference.compute import available_cores, choose_compute
from app.inference.decoder import Decoder
from app.inference.engine import Engine
from app.inference.serving import Serving
from app.queue import Doorbell
from app.services.erase_deposit import erase_due, still_sealed
from app.services.relay_jobs import relay_jobs, sweep
from app.services.remove_images import remove_images_left
from app.services.rights_view import LOOK_EVERY_SECONDS, RightsView
from app.vault.lock import LOOK_AGAIN_SECONDS
from app.vault.opening import open_vault

INFERENCE = "/v2/models/"
UPLOADS = {"/models", "/datasets"}

log = structlog.get_logger(__name__)


class Application(FastAPI):
    """FastAPI's application behind the express lane, whose requests its own layers need not see.

    Attributes:
        express: asked first, if set.
    """

    express: Express | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.express or super().__call__)(scope, receive, send)


def create_app(settings: Settings | None = None) -> Application:
    """Build the application; nothing is opened before it starts."""
    settings = settings or Settings()
    measured = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.context = context = _open(settings, measured)
        stop = threading.Event()
        measured.watch_queue(lambda: context.serving.waiting)
        keepers = [
            threading.Thread(target=work, args=(context, stop), name=work.__name__, daemon=True)
            for work in (_relay, _keep_sealed, _keep_rights)
        ]
        for keeper in keepers:
            keeper.start()
        yield
        stop.set()
        for keeper in keepers:
            keeper.join(timeout=5)
        context.doorbell.close()
        context.decoder.close()
        await context.serving.close()
        context.vault.close()
        context.sessions.close()
        traces.stop()  # not later: a signal that ends the server ends the process right after this

    app = Application(
        title="LIRF Server",
        summary="A model server that forgets on request and remembers on permission.",
        version="0.1.0",
        lifespan=lifespan,
        telemetry=telemetry(),
        responses=problems.described(problems.MEDIA_TYPE),
        generate_unique_id_function=lambda route: route.name,
    )
    problems.install(app)
    app.add_middleware(RequestMetrics, metrics=measured)
    app.add_middleware(AfterDecisions, decided=partial(_decided, app), look=partial(_look, app))
    gate = Gate(settings.predictions_at_once)
    app.add_middleware(Admission, gate=gate, reject=measured.reject)
    app.add_middleware(BodyLimit, limit_of=lambda path: _body_limit(settings, path))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(problems.PlainProblems)
    app.add_middleware(RequestId)
    lane = partial(Express, context=partial(_context_of, app), gate=gate, metrics=measured)
    if traces.provider():
        app.add_middleware(lane)  # inside of what makes a span of each request
    else:
        app.express = lane(partial(FastAPI.__call__, app))
    for resource in (
        models,
        datasets,
        deposits,
        withdrawals,
        grants,
        predict,
        oip,
        oip_metrics,
        jobs,
        keys,
        vault,
        audit,
        health,
        metrics,
    ):
        app.include_router(resource.router)
    return app


def _body_limit(settings: Settings, path: str) -> int:
    if path.startswith(INFERENCE):
        return settings.max_infer_bytes
    return settings.max_upload_bytes if path in UPLOADS else settings.max_json_bytes


def _open(settings: Settings, measured: Metrics) -> Context:
    sessions = open_sessions(settings.database_url)
    opened = open_vault(settings, sessions)
    measured.watch_states(sessions)
    engine = Engine(
        choose_compute(settings.device, settings.threads).device,
        settings.threads or available_cores(),
        compiles=settings.engine == "auto",
    )
    return Context(
        settings=settings,
        sessions=sessions,
        vault=opened,
        composer=Composer(opened, settings.cache_bytes, engine),
        serving=Serving(
            engine,
            longest_queue=settings.queue_images,
            patience=settings.queue_seconds,
            observe=measured.batch,
            reject=measured.reject,
        ),
        rights=RightsView(sessions),
        decoder=Decoder(available_cores()),
        doorbell=Doorbell(settings),
        metrics=measured,
        failures=AuthFailures(settings.auth_failures_per_minute),
    )


def _relay(context: Context, stop: threading.Event) -> None:
    """Look after the queue until told to stop; a database that is away for a while does not end it."""
    settings = context.settings
    next_sweep = time.monotonic() + settings.sweep_seconds
    while not stop.wait(settings.relay_seconds / 2):
        try:
            relay_jobs(context.sessions, settings, context.doorbell.ring)
            if erase_due(context.vault):
                context.rights.forget()
                context.composer.forget_sealed()
            remove_images_left(context.sessions, timedelta(seconds=settings.lease_seconds))
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + settings.sweep_seconds
                sweep(context.vault, settings)
        except Exception:
            log.exception("relay_failed")


def _keep_rights(context: Context, stop: threading.Event) -> None:
    """Notice what other processes have decided."""
    while not stop.wait(LOOK_EVERY_SECONDS):
        _look_at_rights(context)


def _look_at_rights(context: Context) -> None:
    """A database that is away does not end it: nothing in memory is believed then."""
    try:
        context.rights.look()
    except Exception:
        log.exception("rights_not_seen")


def _context_of(app: FastAPI) -> Context:
    context: Context = app.state.context
    return context


def _decided(app: FastAPI) -> None:
    app.state.context.rights.forget()


def _look(app: FastAPI) -> None:
    _look_at_rights(app.state.context)


def _keep_sealed(context: Context, stop: threading.Event) -> None:
    """Take recovered nets out of memory when the vault is sealed, or they are erased, by whichever process."""
    while not stop.wait(LOOK_AGAIN_SECONDS):
        try:
            if context.vault.lock.state().sealed:
                context.composer.forget_sealed()
            context.composer.forget_erased(partial(still_sealed, context.sessions))
        except Exception:
            log.exception("vault_not_seen")
