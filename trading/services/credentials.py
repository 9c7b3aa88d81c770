"""Opening stored keys, only where a request is about to be signed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from customers.fields import SecretError
from customers.models import Credential
from trading.domain.reasons import Reason, ReasonCode
from venues.domain.types import Credentials

logger = logging.getLogger(__name__)


def credentials_of_accounts(
    *, tenant_id: str, account_ids: Sequence[str]
) -> dict[str, Credentials | Reason]:
    """Keys by account id, in one query. One that does not open is its own account's reason only;
    an account without keys is missing."""
    found: dict[str, Credentials | Reason] = {}
    rows = Credential.objects.for_tenant(tenant_id).filter(account_id__in=set(account_ids))
    for row in rows:
        try:
            found[row.account_id] = Credentials(
                row.reveal("api_key"), row.reveal("api_secret"), row.reveal("passphrase")
            )
        except SecretError as error:
            logger.error("credential %s: %s", row.pk, error)
            params = {"code": "-", "message": "the stored keys cannot be opened"}
            found[row.account_id] = Reason(ReasonCode.CREDENTIALS_REFUSED, params)
    return found
