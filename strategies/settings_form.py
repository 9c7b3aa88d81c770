"""One form for the copy settings of any level, made from their declaration."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from strategies.domain.settings import (
    SPECS,
    Effective,
    Kind,
    Level,
    Origin,
    SettingSpec,
    layer_problems,
    without_effect,
)
from strategies.models import StatedSettings
from strategies.selectors.settings import level_of, settings_content
from strategies.services.settings import (
    BINDABLE,
    ONLY_AT_THE_START,
    ONLY_STRATEGY,
    settings_problems,
)
from strategies.setting_texts import (
    GROUPS,
    LEVELS,
    choice_label,
    idle_text,
    problem_text,
    setting_help,
    setting_label,
    value_text,
)

BINDING = "binding"
_LISTS = (Kind.SYMBOLS, Kind.SYMBOL_MAP, Kind.TARGETS, Kind.HOURS)
_WHOLE = (Kind.COUNT, Kind.SECONDS, Kind.MINUTES)


@dataclass(frozen=True, slots=True)
class Line:
    """A setting on the page: its field, and what is in force and from where."""

    field: forms.BoundField
    in_force: str
    origin: str
    is_own: bool
    idle: str = ""
    """Why what is in force has no effect now."""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    lines: tuple[Line, ...]
    is_used: bool
    """Something in it is stated here, or wrong."""


class SettingsForm(forms.Form):
    """What a level states, in general or for one symbol; an empty field states nothing.

    `row` is the level's row; `fixed` are the settings that a level above does not leave to it.
    """

    text_widget: type[forms.Widget] = forms.TextInput
    lines_widget: type[forms.Widget] = forms.Textarea
    choice_widget: type[forms.Select] = forms.Select

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        *,
        row: StatedSettings,
        symbol: str = "",
        fixed: Collection[str] = frozenset(),
    ) -> None:
        self.row, self.symbol = row, symbol
        self.content = settings_content(row)
        self.fixed = {name for name in fixed if name in BINDABLE}
        stated: Mapping[str, Any] = (
            self.content["symbols"].get(symbol, {}) if symbol else self.content["values"]
        )
        self.stated = {name: raw for name, raw in stated.items() if name in SPECS}
        initial = {
            name: _shown(SPECS[name], raw)
            for name, raw in self.stated.items()
            if name not in self.fixed
        }
        initial |= {"version": row.settings_version, BINDING: self.content.get("binding", [])}
        super().__init__(data, initial=initial)
        level = level_of(row)
        for name, spec in SPECS.items():
            if symbol and not spec.per_symbol:
                continue
            if name in ONLY_STRATEGY and level is not Level.STRATEGY:
                continue
            self.fields[name] = self._field(spec)
            self.fields[name].disabled = name in self.fixed or (
                name in ONLY_AT_THE_START and level is Level.SUBSCRIPTION
            )
        if level is Level.STRATEGY and not symbol:
            self.fields[BINDING] = forms.MultipleChoiceField(
                label=_("Fixed for all followers"),
                help_text=_("What copies of this strategy cannot set otherwise."),
                choices=[(name, setting_label(name)) for name in SPECS if name in BINDABLE],
                widget=forms.CheckboxSelectMultiple,
                required=False,
            )

    def _field(self, spec: SettingSpec) -> forms.Field:
        texts: dict[str, Any] = {
            "label": setting_label(spec.name),
            "help_text": setting_help(spec.name),
            "required": False,
        }
        if spec.kind in (Kind.CHOICE, Kind.FLAG):
            choices = [("", _("not stated here"))]
            if spec.kind is Kind.FLAG:
                choices += [("true", _("yes")), ("false", _("no"))]
            else:
                choices += [(str(value), choice_label(spec, value)) for value in spec.choices]
            return forms.ChoiceField(choices=choices, widget=self.choice_widget, **texts)
        if spec.kind in _LISTS:
            widget = self.lines_widget(attrs={"rows": 2})
            return forms.CharField(max_length=20_000, widget=widget, **texts)
        widget = self.text_widget(attrs={"inputmode": "decimal", "autocomplete": "off"})
        return forms.CharField(max_length=60, widget=widget, **texts)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        stated = {}
        for name in self.fields:
            if name in SPECS and cleaned.get(name):
                stated[name] = _read(SPECS[name], cleaned[name])
        content = self._without_fixed()
        if BINDING in self.fields:
            content["binding"] = sorted(cleaned.get(BINDING, []))
        if self.symbol:
            content["symbols"] = {**content["symbols"], self.symbol: stated}
        else:
            content["values"] = stated
        self.changed_content = content
        for problem in settings_problems(self.row, content):
            if problem.symbol == self.symbol and problem.name in self.fields:
                self.add_error(problem.name, problem_text(problem))
            else:
                where = f"{problem.symbol} {setting_label_or_name(problem.name)}"
                self.add_error(None, f"{where.strip()}: {problem_text(problem)}")
        return cleaned

    def _without_fixed(self) -> dict[str, Any]:
        """What the level states, without what it stated before that was fixed above it."""

        def free(stated: Mapping[str, Any]) -> dict[str, Any]:
            return {name: raw for name, raw in stated.items() if name not in self.fixed}

        symbols = {symbol: free(stated) for symbol, stated in self.content["symbols"].items()}
        return {**self.content, "values": free(self.content["values"]), "symbols": symbols}

    def groups(self, found: Effective | None) -> Iterator[Group]:
        """The fields as the page shows them; `found` is what is in force, if that can be said."""
        idle = {} if found is None else without_effect(found.settings)
        for title, names in GROUPS:
            lines = tuple(self._line(name, found, idle) for name in names if name in self.fields)
            used = any(line.is_own or line.field.errors or line.field.value() for line in lines)
            if lines:
                yield Group(_(title), lines, used)

    def own_names(self) -> list[str]:
        """What the sent form states."""
        part = self.changed_content
        stated = part["symbols"].get(self.symbol, {}) if self.symbol else part["values"]
        return [name for name in SPECS if name in stated]

    def binding(self) -> forms.BoundField | None:
        """Of a strategy: what it fixes."""
        return self[BINDING] if BINDING in self.fields else None

    def _line(self, name: str, found: Effective | None, idle: Mapping[str, str]) -> Line:
        own = name in self.stated and name not in self.fixed
        if found is None:
            return Line(self[name], "", "", own)
        value = value_text(name, getattr(found.settings, name))
        origins = ", ".join(map(_origin_text, found.origin(name)))
        if name in self.fixed:
            origins = _("%(origin)s; fixed by the strategy") % {"origin": origins}
        why = idle_text(idle[name], found.settings) if name in idle else ""
        return Line(self[name], value, origins, own, why)


def _origin_text(origin: Origin) -> str:
    level = str(LEVELS[origin.level])
    return f"{level} ({origin.symbol})" if origin.symbol else level


def setting_label_or_name(name: str) -> str:
    return setting_label(name) if name in SPECS else name


def exception_problem(symbol: str) -> str:
    """Why there can be no exception for such a symbol; empty when there can."""
    problems = layer_problems({"symbols": {symbol: {}}})
    return problem_text(problems[0]) if problems else ""


def _shown(spec: SettingSpec, raw: Any) -> Any:
    if spec.kind is Kind.FLAG:
        return "true" if raw else "false"
    if spec.kind is Kind.SYMBOL_MAP:
        return "\n".join(f"{here} = {there}" for here, there in raw.items())
    if spec.kind is Kind.TARGETS:
        return "\n".join(" ".join(parts) for parts in raw)
    if spec.kind in _LISTS:
        return "\n".join(raw)
    if isinstance(raw, str) and "." in raw and spec.kind is not Kind.CHOICE:
        return raw.rstrip("0").rstrip(".")
    return raw


def _read(spec: SettingSpec, text: str) -> Any:
    """What was typed as the JSON that the domain reads; what is none is left for it to refuse."""
    if spec.kind is Kind.FLAG:
        return text == "true"
    if spec.kind in _WHOLE:
        return int(text) if text.strip().isascii() and text.strip().isdigit() else text
    if spec.kind not in _LISTS:
        return text.strip()
    lines = [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]
    if spec.kind is Kind.SYMBOL_MAP:
        pairs = [[part.strip().upper() for part in line.partition("=")[::2]] for line in lines]
        found = dict(pairs)
        return found if len(found) == len(pairs) else pairs  # which the domain refuses
    if spec.kind is Kind.TARGETS:
        return [line.split() for line in lines]
    if spec.kind is Kind.HOURS:
        return [line.lower() for line in lines]
    return [line.upper() for line in dict.fromkeys(lines)]
