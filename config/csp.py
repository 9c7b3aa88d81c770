"""The content security policy, with the two exceptions that the console's theme needs."""

from __future__ import annotations

from csp.constants import NONCE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase
from django.urls import NoReverseMatch, reverse

# Alpine, which the theme is built on, evaluates the expressions in its attributes. Scripts still
# come from our own files only. The theme sets a few widths in style attributes, which can run
# nothing; <style> elements stay forbidden.
CONSOLE_DIRECTIVES = {
    "script-src": [SELF, NONCE, UNSAFE_EVAL],
    "style-src": [SELF, NONCE],
    "style-src-attr": [UNSAFE_INLINE],
}


class PolicyMiddleware(CSPMiddleware):
    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and request.path_info.startswith(_console_prefix()):
            parts.replace = {**(parts.replace or {}), **CONSOLE_DIRECTIVES}
        return parts


def _console_prefix() -> str:
    try:
        return reverse("admin:index")
    except NoReverseMatch:  # a URL configuration without the console
        return "\0"
