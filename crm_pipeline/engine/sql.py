"""How names and values are written in DuckDB's SQL. No query belongs here."""

from pathlib import Path


def quote(name: str) -> str:
    """Return a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(path: Path | str) -> str:
    """Return an SQL string literal."""
    return "'" + str(path).replace("'", "''") + "'"
