from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api.errors import ApiError
from customers.api.filters import RowFilterSet, id_filter, word_filter
from customers.api.idempotency import answer_once, idempotency_key
from customers.api.views import RowSerializer, TenantReadViewSet, visible_to
from customers.models import ApiKey, ExchangeAccount
from strategies.domain.admission import Refused
from strategies.domain.settings import (
    SPECS,
    Effective,
    SettingProblem,
    layer_problems,
    value_to_json,
    without_effect,
)
from strategies.domain.settings.reading import SettingValueError
from strategies.models import Subscription
from strategies.selectors.offers import offered_to_key
from strategies.selectors.settings import settings_content, subscription_settings
from strategies.services.settings import (
    BINDABLE,
    SettingsChangedMeanwhileError,
    SettingsRefusedError,
    settings_change,
)
from strategies.services.starting import Starter, subscription_draft, subscription_start
from strategies.services.subscriptions import SubscriptionRefusedError
from strategies.setting_texts import problem_text


class SubscriptionOutput(RowSerializer):
    class Meta:
        model = Subscription
        fields = [
            "id",
            "strategy",
            "account",
            "customer",
            "sizing_mode",
            "fixed_amount",
            "ratio",
            "max_leverage",
            "status",
            "created_at",
            "changed_at",
        ]
        read_only_fields = fields


class SubscriptionFilters(RowFilterSet):
    customer = id_filter("customer_id")
    account = id_filter("account_id")
    strategy = id_filter("strategy_id")
    status = word_filter("status")

    class Meta:
        model = Subscription
        fields: list[str] = []


class SettingsInput(serializers.Serializer):
    """All that the copy itself states: what is left out is stated no more."""

    version = serializers.IntegerField(help_text="The one that was read, so that none is lost.")
    values = serializers.DictField(default=dict)
    symbols = serializers.DictField(
        child=serializers.DictField(), default=dict, help_text="Exceptions for single symbols."
    )


class StartInput(serializers.Serializer):
    """Which account is to follow which strategy, and what the copy states of its settings."""

    strategy = serializers.CharField(max_length=26)
    account = serializers.CharField(max_length=26)
    values = serializers.DictField(default=dict)
    symbols = serializers.DictField(
        child=serializers.DictField(), default=dict, help_text="Exceptions for single symbols."
    )


class InForceOutput(serializers.Serializer):
    value = serializers.JSONField()
    origins = serializers.ListField(
        child=serializers.CharField(), help_text="The levels that it came from."
    )
    exceptions = serializers.ListField(
        child=serializers.CharField(),
        help_text="Those of them whose exception for the symbol it is, not their word in general.",
    )
    fixed = serializers.BooleanField(help_text="By the strategy: the copy cannot state another.")
    idle_by = serializers.CharField(
        allow_blank=True,
        help_text="The setting because of whose value this one has no effect now; mostly empty.",
    )


class SettingsOutput(serializers.Serializer):
    version = serializers.IntegerField()
    stated = serializers.JSONField(help_text="What the copy itself states.")
    unreadable = serializers.CharField(
        allow_blank=True,
        help_text="A setting that some level has stored and that is no value: until it is "
        "corrected nothing is entered. Mostly empty; otherwise `in_force` is.",
    )
    in_force = serializers.DictField(child=InForceOutput())


_SYMBOL = OpenApiParameter(
    "symbol", OpenApiTypes.STR, description="With its exceptions for this symbol."
)


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True
)


class SubscriptionViewSet(TenantReadViewSet):
    """Which account follows which strategy, with its copy settings."""

    required_scopes = {
        "GET": ApiKey.Scope.READ,
        "PUT": ApiKey.Scope.COPIES_WRITE,
        "POST": ApiKey.Scope.COPIES_WRITE,
    }

    queryset = Subscription.objects.none()
    serializer_class = SubscriptionOutput
    filterset_class = SubscriptionFilters

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY], request=StartInput, responses={201: SubscriptionOutput}
    )
    def create(self, request: Request, **kwargs: str) -> HttpResponse:
        """Begin a copy, as a client does in the portal: the strategy is public, or the account's
        customer is invited; there is a place left; the account has the least equity."""
        key = idempotency_key(request)
        raw = bytes(request._request.body)
        body = StartInput(data=request.data)
        body.is_valid(raise_exception=True)
        starter = Starter(None, by_staff=False, ip_address=request.META.get("REMOTE_ADDR") or None)
        drafts: list[Subscription] = []
        return answer_once(
            api_key=self.api_key,
            key=key,
            request=b"POST subscriptions\n" + raw,
            status=201,
            before=lambda: drafts.append(self._draft(body.validated_data)),
            work=lambda: _begin(drafts[0], starter),
        )

    def _draft(self, asked: Mapping[str, Any]) -> Subscription:
        accounts = visible_to(ExchangeAccount.objects.all(), self.api_key)
        account = accounts.filter(pk=asked["account"]).first()
        if account is None:
            raise ApiError(422, "unknown_account", "There is no such account.", "account")
        # Of what is not offered not even its settings are told, in what is said of wrong ones.
        strategy = offered_to_key(self.api_key).filter(pk=asked["strategy"]).first()
        if strategy is None:
            raise ApiError(422, Refused.NOT_OFFERED, "There is no such strategy.", "strategy")
        content = {name: asked[name] for name in ("values", "symbols")}
        try:
            return subscription_draft(strategy=strategy, account=account, content=content)
        except SettingsRefusedError as refused:
            raise ValidationError(_messages(refused.problems)) from refused

    @extend_schema(parameters=[_SYMBOL], responses=SettingsOutput, filters=False)
    @action(detail=True, methods=["get"], url_path="settings", pagination_class=None)
    def copy_settings(self, request: Request, **kwargs: str) -> Response:
        """Every setting in force, and the level it came from."""
        return Response(_document(self.get_object(), _symbol(request)))

    @extend_schema(parameters=[_SYMBOL], request=SettingsInput, responses=SettingsOutput)
    @copy_settings.mapping.put
    def change_copy_settings(self, request: Request, **kwargs: str) -> Response:
        """Replace what the copy states. Open positions are not touched."""
        subscription = self.get_object()
        if subscription.status == Subscription.Status.STOPPED:
            raise ApiError(409, "stopped", "This copy was stopped.")
        body = SettingsInput(data=request.data)
        body.is_valid(raise_exception=True)
        content = {name: body.validated_data[name] for name in ("values", "symbols")}
        try:
            changed = settings_change(
                row=subscription,
                content=content,
                actor=None,
                version=body.validated_data["version"],
                ip_address=request.META.get("REMOTE_ADDR") or None,
            )
        except SettingsRefusedError as refused:
            raise ValidationError(_messages(refused.problems)) from refused
        except SettingsChangedMeanwhileError as error:
            raise ApiError(
                409,
                "changed_meanwhile",
                "The settings were changed since you read them.",
                "version",
            ) from error
        return Response(_document(changed, _symbol(request)))


def _begin(draft: Subscription, starter: Starter) -> dict[str, Any]:
    try:
        started = subscription_start(subscription=draft, starter=starter)
    except SubscriptionRefusedError as refused:
        raise ApiError(422, refused.code, refused.message, refused.field) from refused
    return dict(SubscriptionOutput(started).data)


def _symbol(request: Request) -> str:
    symbol = request.query_params.get("symbol", "")
    if symbol and layer_problems({"symbols": {symbol: {}}}):
        raise ApiError(400, "bad_symbol", "This is not a symbol like BTC/USDT:USDT.", "symbol")
    return symbol


def _document(subscription: Any, symbol: str) -> dict[str, Any]:
    document = {
        "version": subscription.settings_version,
        "stated": settings_content(subscription),
        "unreadable": "",
    }
    try:
        found: Effective = subscription_settings(subscription, symbol)
    except SettingValueError as error:
        return {**document, "unreadable": error.name, "in_force": {}}
    idle = without_effect(found.settings)
    in_force = {
        name: {
            "value": value_to_json(spec, getattr(found.settings, name)),
            "origins": [origin.level.name.lower() for origin in found.origin(name)],
            "exceptions": [
                origin.level.name.lower() for origin in found.origin(name) if origin.symbol
            ],
            "fixed": name in found.binding & BINDABLE,
            "idle_by": idle.get(name, ""),
        }
        for name, spec in SPECS.items()
    }
    return {**document, "in_force": in_force}


def _messages(problems: Sequence[SettingProblem]) -> dict[str, list[str]]:
    messages: dict[str, list[str]] = {}
    for problem in problems:
        name = f"symbols.{problem.symbol}.{problem.name}" if problem.symbol else problem.name
        messages.setdefault(name, []).append(problem_text(problem))
    return messages
