"""JSON for a reader."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString


def pretty_json(content: Any) -> SafeString:
    """Indented and escaped; text that is no JSON is shown as it is."""
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except ValueError:
            return format_html('<pre class="console-code">{}</pre>', content)
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return format_html('<pre class="console-code">{}</pre>', text)
