from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle


class ApiKeyThrottle(SimpleRateThrottle):
    scope = "api_key"

    def get_cache_key(self, request: Request, view: Any) -> str:
        ident = request.auth.pk if request.auth else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}
