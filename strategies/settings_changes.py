"""Showing and changing a level's copy settings by a page: console and portal alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.models import User
from strategies.domain.settings import Effective, differences, effects
from strategies.domain.settings.reading import SettingValueError
from strategies.models import StatedSettings
from strategies.selectors.settings import in_force
from strategies.services.settings import SettingsChangedMeanwhileError, settings_change
from strategies.setting_texts import effect_text, setting_label, value_text
from strategies.settings_form import Group, SettingsForm, exception_problem


@dataclass(frozen=True, slots=True)
class ChangedLine:
    label: str
    before: str
    after: str


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
    confirmed: bool = False
    lines: list[ChangedLine] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    asks: bool = False
    """The change is fine and waits to be confirmed."""

    def groups(self) -> list[Group]:
        return list(self.form.groups(self.found))

    def is_stored(self, *, actor: User | None, ip_address: str | None) -> bool:
        """Goes as far as the form allows: shows what is wrong, asks, or stores."""
        if not self.form.is_bound or not self.form.is_valid():
            return False
        if not self.confirmed:
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

    def _ask(self) -> None:
        after = in_force(self.row, self.symbol, instead=self.form.changed_content)
        if self.found is None:
            return
        changed = differences(self.found.settings, after.settings)
        self.lines = [
            ChangedLine(
                setting_label(change.name),
                value_text(change.name, change.before),
                value_text(change.name, change.after),
            )
            for change in changed
        ]
        self.effects = [effect_text(effect) for effect in effects(changed)]
        self.asks = True


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
    form = form_class(data, row=row, symbol=symbol)
    try:
        found: Effective | None = in_force(row, symbol)
    except SettingValueError:
        found = None
    return SettingsChange(
        form=form,
        row=row,
        symbol=symbol,
        symbols=tuple(form.content["symbols"]),
        symbol_problem=problem,
        writing=writing,
        found=found,
        confirmed="confirmed" in request.POST,
    )
