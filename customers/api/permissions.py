from typing import Any

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from customers.models import ApiKey


class HasScope(BasePermission):
    """The key holds the scope that the view's class declares for this verb.

    `required_scopes` maps verbs to scopes; a verb that is not in it does not exist, so that a
    handler added without a scope is not open by accident.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            return False
        verb = "GET" if request.method == "HEAD" else str(request.method)
        needed = view.required_scopes.get(verb)
        if needed is None or not hasattr(view, verb.lower()):
            raise MethodNotAllowed(verb)
        return needed in request.auth.scopes
