"""URLs: the parts that are shown, and the parts for dbt."""

from __future__ import annotations

import getpass

import pytest
import yaml

from runner.errors import UsageError
from runner.servers.database import SESSION, Database, session_options
from runner.settings import PROJECT


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hun@ter2@h:5432/d",
        "postgresql://u:hun/ter2@h:5432/d",
        "postgres://u:12/ter2@h/d",
        "postgresql://u@azure:ter2@h/d",
    ],
)
def test_a_password_that_is_not_encoded_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError, match="percent-encoded") as caught:
        _ = Database("primary", url).address
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://u:p%40s%2Fs@h:5433/d?sslmode=require", "h:5433/d"),
        ("postgresql://u:p?s#s@h/d", "h:5432/d"),
        ("postgresql://u@h/d?host=@abstract", "@abstract:5432/d"),
        ("postgresql:///d?host=/run/postgresql", "/run/postgresql:5432/d"),
        ("postgres://u:p@a:1,b:2/d", "a,b:1,2/d"),
        ("host=h dbname=d password='p@s/s'", "h:5432/d"),
    ],
)
def test_an_address_has_no_login(url: str, address: str) -> None:
    assert Database("primary", url).address == address


def test_dbt_sets_what_our_sessions_set() -> None:
    """The profile says it once more, with tabs where dbt would escape spaces."""
    outputs = yaml.safe_load((PROJECT / "profiles.yml").read_text())["signal_marts"]["outputs"]
    first, *options = outputs["prod"]["search_path"].partition("\t{{")[0].split("\t-c\t")
    assert options.pop(0) == "role=none"
    assert {"search_path": first} | dict(each.split("=", 1) for each in options) == SESSION
    assert outputs["dev"]["search_path"] == outputs["prod"]["search_path"]
    assert session_options({"a": r"b c\d"}) == r"-c a=b\ c\\d"


def test_dbt_connects_as_libpq_would(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    assert Database("replica", "postgresql:///d?sslmode=require").environment() == {
        "PGHOST": "",  # libpq's own socket, where the profile's default is localhost
        "PGPORT": "5432",
        "PGUSER": getpass.getuser(),
        "PGDATABASE": "d",
        "PGSSLMODE": "require",
    }
