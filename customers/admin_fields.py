"""Form fields that the console's forms share."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget


class LinesField(forms.Field):
    """A list of texts, typed one per line or separated by commas; twice the same counts once."""

    def __init__(self, *, rows: int = 3, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(widget=UnfoldAdminTextareaWidget(attrs={"rows": rows}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, list):
            return value
        parts = str(value or "").replace(",", "\n").split("\n")
        return list(dict.fromkeys(self.normal(part.strip()) for part in parts if part.strip()))

    def normal(self, line: str) -> str:
        return line

    def check_line(self, line: str) -> None:
        """Raise ValidationError for a line that does not belong here."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        for line in value:
            self.check_line(line)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)
