"""dbt's vars: values that the models cannot mean stop a run, before its first model."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import yaml

from runner.settings import PROJECT

DBT: dict[str, Any] = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))
DEFAULTS: dict[str, Any] = DBT["vars"]


class WrongError(Exception):
    """What dbt makes of a compiler error."""


def _stop(message: str) -> None:
    raise WrongError(message)


TEMPLATE = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=True).from_string(
    (PROJECT / "macros" / "check_vars.sql").read_text("utf-8")
)


def check(**changed: Any) -> None:
    """Run the macro with other values of some vars."""
    exceptions = SimpleNamespace(raise_compiler_error=_stop)
    dbt = {"var": (DEFAULTS | changed).__getitem__, "exceptions": exceptions}
    assert TEMPLATE.make_module(dbt).check_vars() == ""  # type: ignore[attr-defined]


def test_it_runs_first_and_the_defaults_pass() -> None:
    assert DBT["on-run-start"][0] == "{{ check_vars() }}"
    check()
    check(capital_bases={"desk/EUR": 1e6, "desk/USD": 5}, skill_horizons_bars=[1], ensemble_share=0)
    check(storage_limits={"replica": 10**12}, role_groups={"bot": "trading"})


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", ["", "many", "7", None, True, -2, math.nan, math.inf, []])
def test_a_value_of_another_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(WrongError, match=name):
        check(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ensemble_share", 1.001),
        ("signal_stake", 1.1e15),
        ("signal_lifetime_minutes", 10**9),
        ("storage_limits", {"replica": 10**19}),
        ("ensemble_share", float("nan")),
        ("trial_gap_days", 2),
        ("trial_level", 0),
        ("account_decimals", 19),
        ("ensemble_horizon_bars", 1.5),
        ("periods_per_year", 0),
        ("skill_horizons_bars", [4, 4]),
        ("skill_horizons_bars", [0, 4]),
        ("skill_horizons_bars", "4, 8"),
        ("capital_bases", {"desk/EUR": 0}),
        ("capital_bases", {"desk/EUR": "1,000"}),
        ("impact_build_share", 0),
        ("storage_limits", {"primary": 1e9}),
        ("storage_limits", {"standby": 1000}),
        ("role_groups", {"bot": "robots"}),
    ],
)
def test_a_value_out_of_its_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(WrongError, match=name):
        check(**{name: value})


def test_all_that_are_wrong_are_said_at_once() -> None:
    with pytest.raises(WrongError) as error:
        check(ensemble_share=2, trial_days="many")
    assert str(error.value) == (
        "vars of dbt_project.yml, or of --vars:"
        " ensemble_share is 2, and must be a real number from 0 on up to 1;"
        " trial_days is many, and must be a whole number from 1 on up to 1000000"
    )
