"""`alembic check` of every schema, on a database of its own: fails when models and migrations have drifted apart."""

import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from app.db.migrate import KEY_STORE, SERVICE, make_config, upgrade
from app.db.session import open_sessions


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sessions = open_sessions(f"sqlite:///{Path(folder) / 'check.db'}")
        for schema in (SERVICE, KEY_STORE):
            upgrade(sessions, schema)
            with sessions.engine.connect() as connection:
                config: Config = make_config(connection, schema)
                command.check(config)
        sessions.close()


if __name__ == "__main__":
    main()
