"""Typed reading of the environment. A secret NAME may instead come from the file NAME_FILE."""

import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_MISSING = object()


class Env:
    """Reads variables; what has no default and is not set stops the start with its name.

    A variable that is set to nothing counts as not set: `DATABASE_URL= make demo`.
    """

    def text(self, name: str, *, default: str | object = _MISSING) -> str:
        file_name = os.environ.get(f"{name}_FILE")
        if file_name:
            path = Path(file_name)
            if not path.is_file():
                raise ImproperlyConfigured(f"{name}_FILE points to {path}, which is not a file.")
            return path.read_text(encoding="utf-8").strip()
        value = os.environ.get(name, "").strip() or default
        if value is _MISSING:
            raise ImproperlyConfigured(f"Set the environment variable {name} (or {name}_FILE).")
        return str(value)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name, default="yes" if default else "no").strip().lower()
        if value in {"1", "yes", "true", "on"}:
            return True
        if value in {"0", "no", "false", "off"}:
            return False
        raise ImproperlyConfigured(f"{name} must be yes or no, not {value!r}.")

    def number(self, name: str, *, default: int) -> int:
        value = self.text(name, default=str(default))
        try:
            return int(value)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error

    def items(self, name: str, *, default: str | object = _MISSING) -> list[str]:
        """A comma-separated list without empty items."""
        return [
            part.strip() for part in self.text(name, default=default).split(",") if part.strip()
        ]

    def db_config(self, url: str) -> dict[str, Any]:
        return dict(environ.Env.db_url_config(url))
