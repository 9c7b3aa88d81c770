"""Field types that every app uses: ids, exact amounts, sealed secrets."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any

from cryptography.fernet import InvalidToken
from django.core.exceptions import ValidationError
from django.db import models
from encrypted_model_fields import fields as encrypted

from customers.domain.ids import ID_LENGTH, new_id

AMOUNT_DIGITS = 38
AMOUNT_DECIMAL_PLACES = 18
_AMOUNT_QUANTUM = Decimal(1).scaleb(-AMOUNT_DECIMAL_PLACES)


class IdField(models.CharField):
    """Primary key: see customers.domain.ids."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", ID_LENGTH)
        kwargs.setdefault("primary_key", True)
        kwargs.setdefault("default", new_id)
        kwargs.setdefault("editable", False)
        super().__init__(**kwargs)


class AmountField(models.DecimalField):
    """A quantity, price or sum of money, exact: DECIMAL(38,18), on SQLite its text.

    SQLite's own decimal column keeps 15 digits only. No SQL arithmetic or ordering on it where
    exactness matters. More than 18 decimals or 20 integer digits is an error, never rounded.
    """

    def __init__(self, verbose_name: Any = None, name: str | None = None, **kwargs: Any) -> None:
        kwargs["max_digits"] = AMOUNT_DIGITS
        kwargs["decimal_places"] = AMOUNT_DECIMAL_PLACES
        super().__init__(verbose_name, name, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_digits", None)
        kwargs.pop("decimal_places", None)
        return name, path, args, kwargs

    def get_internal_type(self) -> str:
        return "AmountField"  # keeps backends' DecimalField converters away

    def db_type(self, connection: Any) -> str:
        if connection.vendor == "sqlite":
            return "text"
        return f"decimal({AMOUNT_DIGITS}, {AMOUNT_DECIMAL_PLACES})"

    def cast_db_type(self, connection: Any) -> str:
        return self.db_type(connection)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, float):
            raise ValidationError("An amount is never a float.")
        return super().to_python(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        if value is None:
            return None
        # MySQL gives 18 decimals; SQLite the text that was stored, which has its one form already.
        return Decimal(value) if isinstance(value, str) else plain(Decimal(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or hasattr(value, "as_sql"):
            return value
        text = amount_to_db(self.to_python(value))
        # Beside text, MySQL compares as floating point: 16 digits. A decimal literal is exact.
        return Decimal(text) if connection.vendor == "mysql" else text

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return self.get_db_prep_value(value, connection)


def plain(amount: Decimal) -> Decimal:
    """The same amount in its one form: 1.500 → 1.5, 1E+2 → 100, -0.0 → 0."""
    if not amount:
        return Decimal(0)
    normal = amount.normalize()
    return normal.quantize(Decimal(1)) if normal == normal.to_integral_value() else normal


def amount_to_db(amount: Decimal) -> str:
    """Text that both databases store exactly. Raises ValidationError when it would not fit."""
    _, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int):
        raise ValidationError("An amount must be a finite number.")
    if len(digits) + exponent > AMOUNT_DIGITS - AMOUNT_DECIMAL_PLACES and amount:
        raise ValidationError("An amount may have 20 digits before the point.")
    if exponent < -AMOUNT_DECIMAL_PLACES:
        with decimal.localcontext() as context:
            context.traps[decimal.Inexact] = True
            try:
                amount = amount.quantize(_AMOUNT_QUANTUM)
            except decimal.Inexact as error:
                raise ValidationError("An amount may have 18 decimals.") from error
    return format(plain(amount), "f")


def rounded(amount: Decimal) -> Decimal:
    """A derived figure (an average, a share) at the 18 decimals that are stored, halves to even.

    For what has no exact decimal form only; what the venue reports is stored as it is.
    """
    return amount.quantize(_AMOUNT_QUANTUM, decimal.ROUND_HALF_EVEN)


class SecretError(Exception):
    """A stored secret cannot be opened: wrong key, or moved from another row or field."""


class SealedSecret:
    """An encrypted value as stored. It is opened on purpose, by `open`, and shows nothing else."""

    __slots__ = ("_token",)

    def __init__(self, token: str) -> None:
        self._token = token

    def open(self, binding: str) -> str:
        """The plaintext. Raises SecretError unless it was sealed for exactly this binding."""
        try:
            plaintext = encrypted.CRYPTER.decrypt(self._token.encode()).decode()
        except InvalidToken as error:
            raise SecretError(
                "A stored secret does not open with the configured FIELD_ENCRYPTION_KEY."
            ) from error
        bound_to, _, secret = plaintext.partition("\n")
        if bound_to != binding:
            raise SecretError("A stored secret belongs to another row or field.")
        return secret

    @property
    def token(self) -> str:
        return self._token

    def __repr__(self) -> str:
        return "<SealedSecret>"

    def __str__(self) -> str:
        return "••••••••"


def secret_binding(model_label: str, pk: str, field_name: str) -> str:
    return f"{model_label}:{pk}:{field_name}"


def seal(secret: str, binding: str) -> SealedSecret:
    return SealedSecret(encrypted.CRYPTER.encrypt(f"{binding}\n{secret}".encode()).decode())


class SecretField(encrypted.EncryptedTextField):
    """An encrypted text that fails closed (django-encrypted-model-fields fails open).

    Reading gives a SealedSecret; `instance.reveal("field")` of SecretsMixin opens it. A plain
    string is sealed on save, bound to label, primary key and field, so a token that was moved
    does not open. Filtering by it and `update()`/`bulk_update()` with it are refused.
    """

    is_secret = True

    def to_python(self, value: Any) -> Any:
        return value

    def from_db_value(self, value: Any, *args: Any, **kwargs: Any) -> SealedSecret | str | None:
        return SealedSecret(value) if value else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = getattr(model_instance, self.attname)
        if isinstance(value, str) and value:
            binding = secret_binding(model_instance._meta.label_lower, model_instance.pk, self.name)
            value = seal(value, binding)
            setattr(model_instance, self.attname, value)
        return value

    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if value is None or value == "":
            return value
        if isinstance(value, SealedSecret):
            return value.token
        raise TypeError(f"{self.name} is stored by save() or bulk_create() only.")

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError(f"{self.name} is secret and is not exported.")


class SecretsMixin:
    """For models with SecretFields."""

    def reveal(self, field_name: str) -> str:
        """The plaintext, for signing only. Raises SecretError; empty when nothing is stored."""
        value = getattr(self, field_name)
        if not value:
            return ""
        if isinstance(value, SealedSecret):
            return value.open(secret_binding(self._meta.label_lower, self.pk, field_name))  # type: ignore[attr-defined]
        return str(value)
