"""`alembic check` on a database of its own: fails when models and migrations have drifted apart."""

import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from app.db.migrate import make_config, upgrade
from app.db.session import open_sessions


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sessions = open_sessions(f"sqlite:///{Path(folder) / 'check.db'}")
        upgrade(sessions)
        with sessions.engine.connect() as connection:
            config: Config = make_config(connection)
            command.check(config)
        sessions.close()


if __name__ == "__main__":
    main()
