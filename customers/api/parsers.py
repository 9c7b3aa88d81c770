"""What the API reads as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class TextParser(JSONParser):
    """Refuses what no answer could repeat and no row keep: half characters, which JSON can escape,
    and documents nested deeper than anybody's."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            document = super().parse(stream, media_type, parser_context)
            _check_text(document)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except UnicodeEncodeError as error:
            raise ParseError("The JSON has half a character (a lone surrogate).") from error
        return document


def _check_text(document: Any) -> None:
    if isinstance(document, str):
        document.encode()
    elif isinstance(document, dict):
        for key, value in document.items():
            key.encode()
            _check_text(value)
    elif isinstance(document, list):
        for value in document:
            _check_text(value)
