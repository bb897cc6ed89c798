"""The embedded service: migrations, first key, worker, api, in this order and down again in reverse."""

import gc
import socket
from collections.abc import Callable

import uvicorn

from app import lifeline, traces
from app.config import Settings
from app.db.migrate import upgrade
from app.db.session import open_sessions
from app.logs import configure_logs
from app.main import create_app
from app.one_write import OneWriteProtocol
from app.services.authenticate import KeyText
from app.services.manage_keys import make_first_key
from app.services.seal_what_lies_open import seal_what_lies_open
from app.supervisor import WorkerSupervisor
from app.vault.opening import open_vault, prepare_vault

YOUNG_OBJECTS = 50_000
"""Made and not yet dropped before a search for cycles among them; Python's 700 are those of a few requests."""


def prepare(settings: Settings) -> str | None:
    """Migrate the database and make the first admin key; return its text if it was made now."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    sessions = open_sessions(settings.database_url)
    try:
        upgrade(sessions)
        vault = open_vault(settings, sessions)
        prepare_vault(settings, vault)
        seal_what_lies_open(vault)
        vault.close()
        wanted = settings.bootstrap_key
        made = make_first_key(sessions, KeyText.parse(wanted.get_secret_value()) if wanted else None)
    finally:
        sessions.close()
    return None if wanted else made


def serve(settings: Settings, *, worker: bool, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; ``announce`` is called once with the URL when requests are accepted."""
    configure_logs(settings.log_format)
    traces.start(settings.traces, "lirf-api")
    lifeline.follow(lifeline.end_gently)
    listener = socket.create_server((settings.host, settings.port), backlog=512)
    # asyncio does this only for sockets that name TCP as their protocol; without it an answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    url = f"http://{settings.host}:{listener.getsockname()[1]}"
    supervisor = WorkerSupervisor({"LIRF_DATA_DIR": str(settings.data_dir)}) if worker else None
    server = _AnnouncingServer(
        uvicorn.Config(
            create_app(settings),
            http=OneWriteProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        ),
        lambda: announce(url),
    )
    if supervisor:
        supervisor.start()
    try:
        server.run(sockets=[listener])
    finally:
        if supervisor:
            supervisor.stop()


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            gc.collect()
            gc.set_threshold(YOUNG_OBJECTS, 20, 100)
            gc.freeze()  # or each full collection goes through all that was imported, while predictions wait
            self._announce()
