"""Opening stored keys, only where a request is about to be signed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from customers.fields import SecretError, secret_binding
from customers.models import Credential
from trading.domain.reasons import Reason, ReasonCode
from venues.domain.types import Credentials

logger = logging.getLogger(__name__)

_SECRETS = ("api_key", "api_secret", "passphrase")


def credentials_of_accounts(
    *, tenant_id: str, account_ids: Sequence[str]
) -> dict[str, Credentials | Reason]:
    """Keys by account id, in one query. One that does not open is its own account's reason only;
    an account without keys is missing."""
    found: dict[str, Credentials | Reason] = {}
    label = Credential._meta.label_lower
    rows = (
        Credential.objects.for_tenant(tenant_id)
        .filter(account_id__id_in=set(account_ids))
        .values_list("pk", "account_id", *_SECRETS)
    )
    for pk, account_id, *sealed in rows:
        try:
            found[account_id] = Credentials(
                *(
                    secret.open(secret_binding(label, pk, name)) if secret else ""
                    for name, secret in zip(_SECRETS, sealed, strict=True)
                )
            )
        except SecretError as error:
            logger.error("credential %s: %s", pk, error)
            params = {"code": "-", "message": "the stored keys cannot be opened"}
            found[account_id] = Reason(ReasonCode.CREDENTIALS_REFUSED, params)
    return found
