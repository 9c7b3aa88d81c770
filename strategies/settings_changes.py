"""Showing and changing a level's copy settings by a page: console and portal alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.models import User
from strategies.domain.settings import (
    Effective,
    differences,
    effective_settings,
    effects,
    without_effect,
)
from strategies.domain.settings.merging import NOTHING
from strategies.domain.settings.reading import SettingValueError
from strategies.models import StatedSettings, Subscription
from strategies.selectors.settings import in_force
from strategies.services.settings import SettingsChangedMeanwhileError, settings_change
from strategies.setting_texts import effect_text, idle_text, setting_label, value_text
from strategies.settings_form import (
    BINDING,
    Group,
    SettingsForm,
    exception_problem,
    setting_label_or_name,
)


@dataclass(frozen=True, slots=True)
class ChangedLine:
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class EffectLine:
    labels: str
    text: str


@dataclass
class SettingsChange:
    """A page's state. `lines` and `effects` are there once a valid form was sent."""

    form: SettingsForm
    row: StatedSettings
    symbol: str
    symbols: tuple[str, ...]
    symbol_problem: str
    writing: Callable[[], AbstractContextManager[None]]
    found: Effective | None
    unreadable: str = ""
    """The setting that is stored and is no value, by any level."""
    confirmed: str = ""
    """`shown` of the page on which it was confirmed."""
    lines: list[ChangedLine] = field(default_factory=list)
    effects: list[EffectLine] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    asks: bool = False
    """The change is fine and waits to be confirmed."""

    def groups(self) -> list[Group]:
        return list(self.form.groups(self.found))

    def is_stored(self, *, actor: User | None, ip_address: str | None) -> bool:
        """Goes as far as the form allows: shows what is wrong, asks, or stores."""
        if not self.form.is_bound or not self.form.is_valid():
            return False
        if self.confirmed != self.shown():
            self._ask()
            return False
        try:
            with self.writing():
                settings_change(
                    row=self.row,
                    content=self.form.changed_content,
                    actor=actor,
                    version=self.form.cleaned_data["version"],
                    ip_address=ip_address,
                )
        except SettingsChangedMeanwhileError:
            self.form.add_error(
                None, _("Somebody else changed these settings meanwhile: load the page again.")
            )
            return False
        return True

    def shown(self) -> str:
        """Stands for what is going to be stored: what was typed after the question is asked
        for anew."""
        content = json.dumps(self.form.changed_content, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def _ask(self) -> None:
        self.asks = True
        try:
            after = in_force(self.row, self.symbol, instead=self.form.changed_content)
        except SettingValueError:
            return  # another level's: the page says which
        before = effective_settings(NOTHING) if self.found is None else self.found
        changed = differences(before.settings, after.settings)
        self.lines = [
            ChangedLine(
                setting_label(change.name),
                value_text(change.name, change.before),
                value_text(change.name, change.after),
            )
            for change in changed
        ]
        self.lines += self._binding_line()
        self.effects = [
            EffectLine(", ".join(map(setting_label, names)), effect_text(effect))
            for effect, names in effects(changed).items()
        ]
        idle = without_effect(after.settings)
        self.warnings = [
            f"{setting_label(name)}: {idle_text(idle[name], after.settings)}"
            for name in self.form.own_names()
            if name in idle
        ]

    def _binding_line(self) -> list[ChangedLine]:
        before, after = (
            ", ".join(map(setting_label, content.get(BINDING, ()))) or "–"
            for content in (self.form.content, self.form.changed_content)
        )
        binding = self.form.binding()
        if binding is None or before == after:
            return []
        return [ChangedLine(str(binding.label), before, after)]


def settings_change_of(
    request: HttpRequest,
    row: StatedSettings,
    form_class: type[SettingsForm],
    *,
    writing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> SettingsChange:
    """From a request; `?symbol=` picks the exceptions for one symbol."""
    symbol = request.GET.get("symbol", "").strip().upper()
    problem = exception_problem(symbol) if symbol else ""
    symbol = "" if problem else symbol
    data: Any = request.POST if request.method == "POST" else None
    found: Effective | None = None
    unreadable = ""
    try:
        found = in_force(row, symbol)
    except SettingValueError as error:
        unreadable = setting_label_or_name(error.name)
    is_copy = isinstance(row, Subscription)
    fixed = found.binding if found is not None and is_copy else frozenset()
    form = form_class(data, row=row, symbol=symbol, fixed=fixed)
    return SettingsChange(
        form=form,
        row=row,
        symbol=symbol,
        symbols=tuple(form.content["symbols"]),
        symbol_problem=problem,
        writing=writing,
        found=found,
        unreadable=unreadable,
        confirmed=request.POST.get("confirmed", ""),
    )
