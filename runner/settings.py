"""Settings from the environment: where the two databases are.

``PRIMARY_URL`` (or ``DATABASE_URL``) and ``REPLICA_URL`` are libpq URLs. With neither set, the
embedded pair of servers under ``SIGNAL_MARTS_HOME`` is meant.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from runner.errors import UsageError

_PACKAGE = Path(__file__).resolve().parent
IS_CHECKOUT = (_PACKAGE.parent / "dbt_project.yml").is_file()
PROJECT = _PACKAGE.parent if IS_CHECKOUT else _PACKAGE / "project"
"""Folder of the dbt project and the migrations: the checkout, or the copy that a wheel brings."""


class Settings(BaseSettings):
    """What the environment says; URLs are secret, since they may hold a password."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    primary_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("PRIMARY_URL", "DATABASE_URL")
    )
    replica_url: SecretStr | None = Field(None, validation_alias="REPLICA_URL")
    replication_url: SecretStr | None = Field(
        None,
        validation_alias="REPLICATION_URL",
        description="How the replica reaches the primary, where it differs from PRIMARY_URL.",
    )
    dashboard_url: SecretStr | None = Field(
        None,
        validation_alias="DASHBOARD_URL",
        description="How readers reach the marts, with a login of their own; else REPLICA_URL.",
    )
    home: Path = Field(
        Path(".signal-marts"),
        validation_alias="SIGNAL_MARTS_HOME",
        description="Folder of the embedded pair, and of what dbt writes without a checkout.",
    )
    platform: Path | None = Field(
        None,
        validation_alias="SIGNAL_MARTS_PLATFORM",
        description="The file that says what the platform's tables mean; else the project's.",
    )
    retraining: Path | None = Field(
        None,
        validation_alias="SIGNAL_MARTS_RETRAINING",
        description="The file that says how models are retrained; else the project's, if any.",
    )
    alerts: Path | None = Field(
        None,
        validation_alias="SIGNAL_MARTS_ALERTS",
        description="The file that says what is worth a word; else the project's, if any.",
    )
    alert_key: SecretStr | None = Field(
        None,
        min_length=32,
        validation_alias="SIGNAL_MARTS_ALERT_KEY",
        description="What links that acknowledge an alert are signed with.",
    )
    archive: Path | None = Field(
        None,
        validation_alias="SIGNAL_MARTS_ARCHIVE",
        description="Folder of the rows that were archived, for a copy made anew.",
    )
    fence_timeout_seconds: float = Field(
        300,
        gt=0,
        validation_alias="SIGNAL_MARTS_FENCE_TIMEOUT",
        description="How long a build waits for the replica to catch up, and for a plain dbt.",
    )
    lock_timeout_seconds: float = Field(
        2,
        # Whole milliseconds reach the server, and none of them would mean no limit at all.
        ge=0.001,
        le=86400,
        validation_alias="SIGNAL_MARTS_LOCK_TIMEOUT",
        description="How long a migration waits for a lock before it steps back and tries again.",
    )
    observe_seconds: float = Field(
        600,
        ge=0,
        le=86400,
        validation_alias="SIGNAL_MARTS_OBSERVE_SECONDS",
        description="Seconds between two samples of both servers' statistics while watch runs.",
    )
    observe_days: float = Field(
        14,
        gt=0,
        le=3650,
        validation_alias="SIGNAL_MARTS_OBSERVE_DAYS",
        description="Days after which observe and watch forget samples.",
    )
    fail_on_rejected_rows: bool = Field(
        False,
        validation_alias="SIGNAL_MARTS_FAIL_ON_REJECTED_ROWS",
        description="Whether a build fails where rows of the platform cannot be used.",
    )


def load() -> Settings:
    """Read the environment; raise UsageError naming each setting that is wrong."""
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        # The input is left out: it may be a URL with a password.
        wrong = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors(include_input=False))
        raise UsageError(f"the environment has a setting that cannot be used: {wrong}") from None


def dbt_folders() -> dict[str, str]:
    """dbt's variables for its folders, where it was installed: a package is not written to.

    Empty in a checkout, where dbt finds the project and writes beside it.
    """
    if IS_CHECKOUT:
        return {}
    home = load().home.resolve()
    return {
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(home / "target"),
        "DBT_LOG_PATH": str(home / "logs"),
    }


def revealed(secret: SecretStr | None) -> str | None:
    """The value of a secret setting, or None where it is not set."""
    return None if secret is None else secret.get_secret_value()
