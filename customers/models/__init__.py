from customers.models.accounts import Credential, EncryptionCanary, ExchangeAccount
from customers.models.api_keys import ApiKey, IdempotencyRecord
from customers.models.base import TenantModel, tenant_key
from customers.models.events import AudienceCounter, AuditEntry, Event, Lease
from customers.models.keys import VenueKey
from customers.models.login_failures import LoginFailure
from customers.models.people import (
    Customer,
    CustomerUser,
    Membership,
    Partner,
    Tenant,
    User,
)
from customers.models.streams import StreamState

__all__ = [
    "ApiKey",
    "AudienceCounter",
    "AuditEntry",
    "Credential",
    "Customer",
    "CustomerUser",
    "EncryptionCanary",
    "Event",
    "ExchangeAccount",
    "IdempotencyRecord",
    "Lease",
    "LoginFailure",
    "Membership",
    "Partner",
    "StreamState",
    "Tenant",
    "TenantModel",
    "User",
    "VenueKey",
    "tenant_key",
]
