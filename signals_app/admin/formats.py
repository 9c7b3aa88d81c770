"""A source's format: its settings in the form, and a page to try a message with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from customers.admin_base import ConsoleForm
from customers.admin_json import pretty_json
from customers.admin_pages import console_page
from signals_app.domain.canonical import canonical_from_json, canonical_to_json
from signals_app.domain.errors import SignalFormatError
from signals_app.domain.exact_json import load_json
from signals_app.domain.parsers.base import COMMON_SETTINGS, ConfigError, Parsed, Payload
from signals_app.domain.parsers.problems import Ignored, ParseProblem, problem_of
from signals_app.domain.parsers.registry import TANDEM, parser_named, parsers
from signals_app.models import SignalSource
from signals_app.problem_texts import config_error_text, problem_text
from signals_app.services.deliveries import MAX_DELIVERY_BYTES
from signals_app.services.parsing import MarketsUnavailableError, payload_parse
from signals_app.services.price_checks import ANOTHER_MARKET_PERCENT, signal_price_check
from signals_app.services.signals import SignalRefusedError, signal_check_symbol

_WITH_DEFAULTS = (
    "parser",
    "parser_config",
    "repeat_seconds",
    "problems_to_pause",
    "problem_minutes",
)


class SourceForm(ConsoleForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _WITH_DEFAULTS:
            if name in self.fields:
                self.fields[name].required = False
        if "venue" in self.fields:
            typed = self.fields["venue"]
            self.fields["venue"] = forms.ChoiceField(
                label=typed.label,
                help_text=typed.help_text,
                initial=typed.initial,
                choices=[(name, entry["label"]) for name, entry in settings.VENUES.items()],
                widget=UnfoldAdminSelectWidget,
            )

    def clean_parser_config(self) -> Any:
        return self.cleaned_data["parser_config"] or {}

    def clean_parser(self) -> str:
        return self.cleaned_data["parser"] or self.instance.parser

    def clean_max_price_deviation_percent(self) -> Any:
        percent = self.cleaned_data["max_price_deviation_percent"]
        if percent is not None and percent <= 0:
            raise ValidationError(_("The percentage must be above zero."))
        return percent

    def _clean_fields(self) -> None:
        """A number that is left out stays as it is."""
        super()._clean_fields()  # type: ignore[misc]
        for name in _WITH_DEFAULTS:
            if name in self.cleaned_data and self.cleaned_data[name] is None:
                self.cleaned_data[name] = getattr(self.instance, name)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        name, config = cleaned.get("parser"), cleaned.get("parser_config")
        if name is None or config is None:
            return cleaned
        if name == TANDEM:
            if config:
                self.add_error("parser_config", _("Tandem's own JSON has no settings."))
            return cleaned
        try:
            parser_named(name).config(config)
        except LookupError as error:
            raise ValidationError(_("There is no such format.")) from error
        except ConfigError as error:
            self.add_error("parser_config", config_error_text(error.code, error.params))
        return cleaned


def format_panel(source: SignalSource) -> dict[str, Any]:
    """What a sender has to know, and what may be set."""
    parser = parsers().get(source.parser)
    if parser is None:
        return {}
    return {
        "format": parser,
        "settings": [
            (
                setting.name,
                ", ".join(setting.choices) or _kind_text(setting.kind),
                json.dumps(setting.default),
                json.dumps(source.parser_config[setting.name], ensure_ascii=False)
                if setting.name in source.parser_config
                else "",
            )
            for setting in (*COMMON_SETTINGS, *parser.settings)
        ],
    }


def _kind_text(kind: type) -> str:
    words: dict[type, str] = {str: _("text"), dict: _("object"), list: _("list")}
    return words.get(kind, "true, false")


class TryForm(forms.Form):
    message = forms.CharField(
        label=gettext_lazy("Message"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12, "spellcheck": "false"}),
        strip=False,
        max_length=MAX_DELIVERY_BYTES,
        help_text=gettext_lazy("As it would arrive. Nothing is stored and nobody is told."),
    )


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a message would become: signals, or the reason why there are none."""

    signals: list[Any]
    reason: str = ""
    code: str = ""
    is_ignored: bool = False


def try_page(request: HttpRequest, source: SignalSource, back: str) -> HttpResponse:
    form = TryForm(request.POST or None)
    trial = None
    if request.method == "POST" and form.is_valid():
        trial = _tried(source, form.cleaned_data["message"].encode("utf-8", "replace"))
    return console_page(
        request,
        "admin/console/try_message.html",
        title=_("Try a message of %(source)s") % {"source": source},
        form=form,
        trial=trial,
        back=back,
        **format_panel(source),
    )


def _tried(source: SignalSource, body: bytes) -> _Trial:
    now = timezone.now()
    try:
        if source.parser == TANDEM:
            parsed = Parsed((canonical_from_json(load_json(body), now),))
            default_percent = None
        else:
            payload = Payload(body, "", received_at=now, now=now)
            parsed = payload_parse(source=source, payload=payload)
            default_percent = ANOTHER_MARKET_PERCENT
        for signal in parsed.signals:
            signal_check_symbol(source, signal.symbol)
            signal_price_check(source, signal, default_percent=default_percent)
    except SignalFormatError as error:
        return _no_signal(problem_of(error))
    except ParseProblem as problem:
        return _no_signal(problem)
    except SignalRefusedError as refusal:
        return _Trial([], problem_text(refusal.code, refusal.params), refusal.code)
    except MarketsUnavailableError:
        reason = _("The symbols of %(venue)s cannot be had at the moment; try again.")
        return _Trial([], reason % {"venue": source.venue})
    return _Trial([pretty_json(canonical_to_json(signal)) for signal in parsed.signals])


def _no_signal(problem: ParseProblem) -> _Trial:
    reason = problem_text(problem.code, problem.params)
    return _Trial([], reason, str(problem.code), is_ignored=isinstance(problem, Ignored))
