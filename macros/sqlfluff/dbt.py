"""The linter's stand-in for dbt's own macros: it renders models without dbt."""


def type_string() -> str:
    """Return the type that dbt names on PostgreSQL."""
    return "text"


def string_literal(text: str) -> str:
    """Return the text as SQL has it."""
    return f"'{text}'"


def escape_single_quotes(text: str) -> str:
    """Return the text as it may stand in a literal."""
    return text.replace("'", "''")
