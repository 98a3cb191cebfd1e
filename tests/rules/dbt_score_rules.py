"""Rules for dbt-score on dbt's manifest: the descriptions for the project's readers.

``make docs-check`` runs them, beside the patterns of ``dbt-bouncer.yml``. A rule that does not hold
says which model or column, and what is missing.
"""

# No ``from __future__ import annotations``: dbt-score reads the annotations themselves.

import re
from pathlib import Path

from dbt_score import Exposure, Macro, Model, RuleViolation, Source, rule, rule_filter

_AFFECTED = Path(__file__).parents[2] / "macros" / "affected"
_SAYS_WHEN_NULL = re.compile(r"\bNULL\b|\bif any\b|\bif there is\b")


@rule_filter
def is_mart(model: Model) -> bool:
    """Models that readers see."""
    return model.original_file_path.startswith("models/marts/")


@rule_filter
def is_kept_up_by_changes(model: Model) -> bool:
    """Models that are built from changes of other models."""
    config = model.config
    is_exact = config["incremental_strategy"] == "exact" and config["materialized"] == "incremental"
    return is_exact and not model.original_file_path.startswith("models/staging/")


@rule_filter
def is_called(macro: Macro) -> bool:
    """Macros that models call, and not what an adapter makes of them (spark__name), or of a
    materialization."""
    return "__" not in macro.name and not macro.name.startswith("materialization_")


def _violation(columns: list[str], message: str) -> RuleViolation | None:
    return RuleViolation(f"{message}: {', '.join(columns)}") if columns else None


@rule(rule_filters={is_mart()})
def mart_has_a_group(model: Model) -> RuleViolation | None:
    """A mart is in a group, whose owner answers for it."""
    return None if model.group else RuleViolation("give it a group, of models/_groups.yml")


@rule(rule_filters={is_mart()})
def mart_states_its_time_zone(model: Model) -> RuleViolation | None:
    """A mart with days or times says that they are UTC."""
    has_time = any(column.name.endswith(("_at", "_date")) for column in model.columns)
    if has_time and "UTC" not in model.description:
        return RuleViolation("it has times, and its description does not say UTC")
    return None


@rule(rule_filters={is_mart()})
def column_says_when_it_is_null(model: Model) -> RuleViolation | None:
    """A mart's column is tested to be there, or its description says when it is NULL."""
    tested = {
        name for test in model.tests if test.type == "never_null" for name in test.kwargs["columns"]
    }
    silent = [
        column.name
        for column in model.columns
        if column.name not in tested and not _SAYS_WHEN_NULL.search(column.description)
    ]
    return _violation(silent, "test never_null, or say when they are NULL")


@rule(rule_filters={is_kept_up_by_changes()})
def model_follows_all_that_it_reads(model: Model) -> RuleViolation | None:
    """Of each model that it reads it asks for changes, or says which others they come with."""
    follows = model.meta.get("follows")
    if follows == "whole":
        return None
    followed = set(follows) if follows else _names_followed(model.name)
    silent = [parent.name for parent in model.parents if parent.name not in followed]
    return _violation(silent, "it reads and does not follow")


def _names_followed(file: str) -> set[str]:
    """Names in a macro for affected rows and in those that it calls, but for what it only reads."""
    path = _AFFECTED / f"{file}.sql"
    if not path.exists():
        return set()
    text = path.read_text("utf-8")
    names = set(re.findall(r"'(\w+)'", re.sub(r"ref\('\w+'\)", "", text)))
    names.update(re.findall(r"Not followed: (\w+)", text))
    called = re.findall(r"{{ (affected_\w+)\(", text)
    return names.union(*map(_names_followed, called))


@rule(rule_filters={is_kept_up_by_changes()})
def model_follows_columns_that_are_there(model: Model) -> RuleViolation | None:
    """The columns by which a model follows others are theirs; expressions show when it is built."""
    follows = model.meta.get("follows")
    if not isinstance(follows, dict):
        return None
    columns = {each.name: {column.name for column in each.columns} for each in model.parents}
    columns["this"] = {column.name for column in model.columns}
    missing: list[str] = []
    for parent, given in follows.items():
        for way in given if isinstance(given, list) else [given]:
            lists = {parent: way}
            if isinstance(way, dict):
                lists = {parent: way["of"], way["through"]: f"{way['by']}, {way['keys'] or ''}"}
            for name, text in lists.items():
                wanted = [] if "(" in (text or "(") else re.split(r"\s*,\s*", text)
                missing += [
                    f"{name}.{each}"
                    for each in wanted
                    if re.fullmatch("[a-z_]+", each) and each not in columns.get(name, ())
                ]
    return _violation(missing, "it follows columns that are not there")


@rule
def source_column_is_described(source: Source) -> RuleViolation | None:
    """A raw column has a description and a type: it is part of the contract."""
    silent = [
        column.name for column in source.columns if not (column.description and column.data_type)
    ]
    return _violation(silent, "they lack a description or data_type")


@rule
def exposure_names_its_readers(exposure: Exposure) -> RuleViolation | None:
    """An exposure has a label, a maturity, and an owner who hears of a change."""
    if exposure.label and exposure.maturity and exposure.owner.get("name"):
        return None
    return RuleViolation("give it a label, a maturity and an owner's name")


@rule(rule_filters={is_called()})
def macro_is_described(macro: Macro) -> RuleViolation | None:
    """A macro, and each of its arguments, is described."""
    silent = [
        str(argument["name"]) for argument in macro.arguments if not argument.get("description")
    ]
    if not macro.description:
        return RuleViolation("describe it in a properties file beside it")
    return _violation(silent, "describe its arguments")
