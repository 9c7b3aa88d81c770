"""Does the configured FIELD_ENCRYPTION_KEY open what this database holds? Asked at every start."""

from __future__ import annotations

import logging

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.utils import OperationalError, ProgrammingError

from customers.fields import SealedSecret, SecretError, SecretField
from customers.models import EncryptionCanary
from customers.services.fingerprints import fingerprint_key_ensure
from customers.tenancy import system_scope

logger = logging.getLogger(__name__)

_CANARY_ID = "canary"
_CANARY_VALUE = "sings"
_ROWS_TRIED = 50

WRONG_KEY = (
    "FIELD_ENCRYPTION_KEY does not open the secrets of this database. Configure the key that the "
    "database was made with, or a comma-separated list that contains it (the first one encrypts)."
)


def encryption_key_verify(*, try_rows: bool = False) -> None:
    """Create the canary on the first start; raise ImproperlyConfigured when it does not open.

    With `try_rows`, which only processes that sign requests ask for, stored secrets are tried
    too, and those that do not open are counted in a warning: single rows may come from another
    backup, and must not keep everybody else from trading.
    """
    try:
        canary = EncryptionCanary.objects.filter(pk=_CANARY_ID).first()
    except (OperationalError, ProgrammingError) as error:
        raise ImproperlyConfigured(
            f"The database cannot be read (are its migrations applied?): {error}"
        ) from error
    if canary is None:
        canary = _canary_created()
    try:
        opened = canary.reveal("value")
    except SecretError as error:
        raise ImproperlyConfigured(WRONG_KEY) from error
    if opened != _CANARY_VALUE:
        raise ImproperlyConfigured(WRONG_KEY)
    fingerprint_key_ensure()
    if try_rows:
        for label, closed, tried in stored_secrets_that_do_not_open():
            logger.warning(
                "%s: %d of the %d newest rows do not open with the configured "
                "FIELD_ENCRYPTION_KEY, or were moved; they have to be entered again",
                label,
                closed,
                tried,
            )


def stored_secrets_that_do_not_open() -> list[tuple[str, int, int]]:
    """(model, rows that do not open, rows tried), only models that have such rows."""
    found = []
    with system_scope("do stored secrets open with the configured key"):
        for model in apps.get_models():
            names = [f.name for f in model._meta.get_fields() if isinstance(f, SecretField)]
            if not names or model is EncryptionCanary:
                continue
            rows = list(model._default_manager.order_by("-pk").only("pk", *names)[:_ROWS_TRIED])
            closed = sum(1 for row in rows if not all(_opens(row, name) for name in names))
            if closed:
                found.append((model._meta.label, closed, len(rows)))
    return found


def _canary_created() -> EncryptionCanary:
    """Other processes start at the same time: the one that comes first makes it.

    A database with secrets but no canary is not a new one: if none of them opens, the key is
    wrong, and a canary made with it would hide that for ever.
    """
    for _, closed, tried in stored_secrets_that_do_not_open():
        if closed == tried:
            raise ImproperlyConfigured(WRONG_KEY)
    try:
        with transaction.atomic():
            return EncryptionCanary.objects.create(pk=_CANARY_ID, value=_CANARY_VALUE)
    except IntegrityError:
        return EncryptionCanary.objects.get(pk=_CANARY_ID)


def _opens(row: object, name: str) -> bool:
    value = getattr(row, name)
    if not isinstance(value, SealedSecret):
        return not value  # empty is fine; readable text where a token belongs is not
    try:
        row.reveal(name)  # type: ignore[attr-defined]
    except SecretError:
        return False
    return True
