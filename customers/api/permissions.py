from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from customers.models import ApiKey


class HasScope(BasePermission):
    """The key holds the scope that the view declares for reading or for writing."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            return False
        if request.method in SAFE_METHODS:
            needed = getattr(view, "read_scope", ApiKey.Scope.READ)
        else:
            needed = getattr(view, "write_scope", None)
        return needed is not None and needed in request.auth.scopes
