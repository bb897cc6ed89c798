"""Settings: one frozen object, read from ``LIRF_*`` variables, passed in and never imported as a global."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """What an operator may set; every field is the variable ``LIRF_<FIELD>``.

    The defaults are the embedded service: SQLite and a filesystem broker under ``data_dir``.
    """

    model_config = SettingsConfigDict(env_prefix="LIRF_", frozen=True, extra="ignore")

    data_dir: Path = Path("var")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty means SQLite in data_dir.")
    broker_url: str = Field(default="", description="Celery broker; empty means files in data_dir.")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_format: str = Field(default="console", pattern="^(console|json)$")
    traces: str = Field(
        default="off",
        pattern="^(off|otlp)$",
        description="'otlp' sends spans to a collector, which OTEL_* variables name.",
    )

    key_store_url: str = Field(
        default="",
        description="SQLAlchemy URL of the wrapped data keys; empty means SQLite in data_dir beside an embedded "
        "database, and tables of their own in any other.",
    )
    vault_keys: SecretStr | None = Field(
        default=None,
        description="Key-encryption keys as id:base64,id:base64, newest first; empty means a file in data_dir.",
    )
    vault_url: str = Field(
        default="",
        description="Address of a HashiCorp Vault or OpenBao whose transit engine wraps data keys.",
    )
    vault_token: SecretStr | None = Field(default=None, description="Token for vault_url.")
    vault_transit_key: str = Field(default="lirf", description="Name of the transit key.")
    vault_transit_mount: str = Field(default="transit", description="Path of the transit engine.")

    signing_key: SecretStr | None = Field(
        default=None,
        description="Ed25519 private key in PEM that signs ledger heads; empty means a file in data_dir.",
    )

    bootstrap_key: SecretStr | None = Field(
        default=None, description="The first admin key, for deployments that cannot read it from the console."
    )

    device: str = Field(default="auto", description="'cpu', 'cuda', 'cuda:1', or 'auto'.")
    threads: int = Field(default=0, ge=0, description="CPU threads of a worker; 0 chooses by image size.")
    engine: str = Field(
        default="auto",
        pattern="^(auto|pytorch)$",
        description="'auto' compiles nets for the CPU; 'pytorch' runs them as they are.",
    )
    datasets_dir: Path | None = Field(
        default=None, description="Folder of the built-in CIFAR data sets; empty means data_dir/datasets."
    )
    extra_architectures: tuple[str, ...] = Field(
        default=(), description="Import paths 'package.module:factory' that models may name as architecture."
    )

    lease_seconds: float = Field(
        default=60.0, gt=0, description="A claim lapses this long after its last step."
    )
    heartbeat_seconds: float = Field(default=1.0, gt=0, description="Least time between two progress writes.")
    relay_seconds: float = Field(default=10.0, gt=0, description="Jobs unclaimed this long are rung again.")
    sweep_seconds: float = Field(
        default=600.0, gt=0, description="Time between two sweeps of unused artifacts."
    )
    sweep_after_seconds: float = Field(default=3600.0, gt=0, description="Age at which they are swept.")
    erase_after_seconds: float = Field(
        default=7 * 24 * 3600,
        ge=0,
        description="Time that a deposit is disabled before it is erased for ever.",
    )
    max_attempts: int = Field(default=3, ge=1)

    auth_failures_per_minute: int = Field(
        default=60, ge=1, description="Failed authentications of one address in a minute, before it gets 429."
    )
    queue_images: int = Field(
        default=1024, ge=1, description="Images that may wait for the engine; more get 429."
    )
    queue_seconds: float = Field(
        default=10.0, gt=0, description="An image that waited this long for the engine gets 503."
    )
    predictions_at_once: int = Field(
        default=1024,
        ge=1,
        description="Predictions that one api process works on; more get 429 before they are read.",
    )
    max_infer_bytes: int = Field(
        default=64 * MIB, description="Longest body of /v2 inference, also unpacked."
    )
    max_json_bytes: int = 8 * MIB
    max_upload_bytes: int = 2048 * MIB
    cache_bytes: int = Field(default=512 * MIB, description="Budget of the nets kept ready for prediction.")

    @model_validator(mode="after")
    def _fill_in_embedded_defaults(self) -> Self:
        data_dir = self.data_dir.resolve()
        database_url = self.database_url or f"sqlite:///{data_dir / 'lirf.db'}"
        beside = f"sqlite:///{data_dir / 'vault' / 'keys.db'}"
        defaults = {
            "data_dir": data_dir,
            "database_url": database_url,
            "key_store_url": self.key_store_url
            or (beside if database_url.startswith("sqlite") else database_url),
            "broker_url": self.broker_url or "filesystem://",
        }
        if database_url.startswith("sqlite") and defaults["key_store_url"] == database_url:
            raise ValueError("the key store of an SQLite service must be a file of its own")
        for name, value in defaults.items():
            object.__setattr__(self, name, value)
        return self

    @property
    def datasets_folder(self) -> Path:
        return self.datasets_dir or self.data_dir / "datasets"

    @property
    def keyring_file(self) -> Path:
        """Where the key-encryption keys lie unless they come from elsewhere; backed up apart from the databases."""
        return self.data_dir / "vault" / "keyring.json"

    @property
    def signing_key_file(self) -> Path:
        """Where the signing key lies unless it comes from the environment."""
        return self.data_dir / "vault" / "signing.pem"

    @property
    def embedded_database(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def embedded_broker(self) -> bool:
        return self.broker_url.startswith("filesystem")
