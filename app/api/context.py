"""What every request of one process shares."""

from dataclasses import dataclass

from app.api.failures import AuthFailures
from app.api.instruments import Metrics
from app.config import Settings
from app.db.session import Sessions
from app.inference.composer import Composer
from app.inference.decoder import Decoder
from app.inference.serving import Serving
from app.queue import Doorbell
from app.services.rights_view import RightsView
from app.vault.vault import Vault


@dataclass(frozen=True)
class Context:
    settings: Settings
    sessions: Sessions
    vault: Vault
    composer: Composer
    serving: Serving
    decoder: Decoder
    rights: RightsView
    doorbell: Doorbell
    metrics: Metrics
    failures: AuthFailures
