"""What the linter sees as dbt's own macros: it renders models without dbt."""


def type_string() -> str:
    """Return the type that dbt names on PostgreSQL."""
    return "text"
