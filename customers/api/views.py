"""What every view of the partner API is made of.

A request is authenticated, enters its key's tenant, and leaves it only after the answer has been
rendered: serializers that read lazily are inside, too.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from customers.api.errors import ApiError
from customers.fields import AmountField, plain
from customers.models import ApiKey
from customers.tenancy import TenantQuerySet, tenant_scope

ID_PATTERN = "[0-9a-z]{26}"


class ScopedView(APIView):
    """Runs in the tenant scope of the request's API key, rendering included."""

    required_scopes: dict[str, ApiKey.Scope] = {}
    _scopes: ExitStack

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with ExitStack() as self._scopes:
            response = super().dispatch(request, *args, **kwargs)
            if isinstance(response, Response) and not response.is_rendered:
                response.render()
            return response

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        if isinstance(request.auth, ApiKey):
            self._scopes.enter_context(tenant_scope(request.auth.tenant_id))

    @property
    def api_key(self) -> ApiKey:
        assert isinstance(self.request.auth, ApiKey)  # HasScope let nobody else in
        return self.request.auth


def visible_to(rows: TenantQuerySet, api_key: ApiKey) -> TenantQuerySet:
    """The tenant's rows; for a partner's key only those of the partner's customers."""
    rows = rows.for_tenant(api_key.tenant_id)
    if api_key.partner_id is None:
        return rows
    return rows.filter(**{partner_path(rows.model): api_key.partner_id})


def partner_path(model: Any) -> str:
    """The lookup from a model to its customer's partner: its customer_path, one step further."""
    if model.customer_path is None:
        raise LookupError(f"{model.__name__} does not belong to a customer.")
    to_customer = model.customer_path.removesuffix("id").removesuffix("_")
    return f"{to_customer}__partner_id" if to_customer else "partner_id"


class TenantReadViewSet(ScopedView, ReadOnlyModelViewSet):
    """Lists and shows rows of a customer. The class's own queryset is empty: what a request sees
    is built from its key, and what it does not see answers 404."""

    required_scopes = {"GET": ApiKey.Scope.READ}
    queryset: Any = None
    lookup_value_regex = ID_PATTERN

    def get_queryset(self) -> QuerySet:
        if getattr(self, "swagger_fake_view", False):
            empty: QuerySet = self.queryset
            return empty
        return visible_to(self.queryset.model.objects.all(), self.api_key)


class NotFoundView(APIView):
    """Any address under /api/ that no route knows."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise ApiError(404, "not_found", "There is nothing here by this address (see /api/docs/).")


class AmountOutput(serializers.DecimalField):
    """An exact amount as text without trailing zeros or exponent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "max_digits": 38, "decimal_places": 18})

    def to_representation(self, value: Any) -> str:
        return format(plain(value), "f")


class RowSerializer(serializers.ModelSerializer):
    """Output only: amounts as exact text, relations as ids."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        AmountField: AmountOutput,
    }
