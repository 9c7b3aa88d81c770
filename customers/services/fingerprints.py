"""Recognising an API key without keeping it readable: a keyed hash of it.

The hash's key is made from SECRET_KEY once, sealed, and kept in the database: so a new SECRET_KEY
does not make every stored key look like a new one, and FIELD_ENCRYPTION_KEY is rotated as for
every other secret.
"""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings
from django.db import IntegrityError, transaction

from customers.models import EncryptionCanary

_ROW = "fingerprint"
_PURPOSE = b"tandem.credential.fingerprint"


def api_key_fingerprint(*, venue: str, api_key: str) -> str:
    """Raises SecretError when FIELD_ENCRYPTION_KEY does not open the hash's key."""
    key = bytes.fromhex(fingerprint_key_ensure().reveal("value"))
    return hmac.new(key, f"{venue}\n{api_key}".encode(), hashlib.sha256).hexdigest()


def fingerprint_key_ensure() -> EncryptionCanary:
    """The sealed key; whoever comes first makes it."""
    stored = EncryptionCanary.objects.filter(pk=_ROW).first()
    if stored is not None:
        return stored
    key = hmac.new(settings.SECRET_KEY.encode(), _PURPOSE, hashlib.sha256).hexdigest()
    try:
        with transaction.atomic():
            return EncryptionCanary.objects.create(pk=_ROW, value=key)
    except IntegrityError:
        return EncryptionCanary.objects.get(pk=_ROW)
