from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import SecretField, SecretsMixin
from customers.models.base import TenantModel
from venues.domain.types import Credentials


class VenueKey(SecretsMixin, TenantModel):
    """An API key at a venue, sealed to its row; opened only where a request is signed.

    Its owner has at most one row of each status: a new key waits UNCHECKED, beside the ACTIVE
    one, until a worker's check has passed; of a REFUSED one the secrets are gone and the reason
    is left. No query joins it. `api_key_fingerprint` is keyed, so that a key can be recognised
    without being stored readably.
    """

    SECRETS = ("api_key", "api_secret", "passphrase")

    class Status(models.TextChoices):
        UNCHECKED = "unchecked", _("not checked yet")
        ACTIVE = "active", _("in use")
        REFUSED = "refused", _("refused and deleted")

    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.UNCHECKED
    )
    api_key = SecretField(_("API key"))
    api_secret = SecretField(_("API secret"))
    passphrase = SecretField(_("passphrase"), blank=True)
    api_key_fingerprint = models.CharField(  # noqa: DJ001  (unique where there is one)
        max_length=64, null=True, editable=False
    )
    problem_code = models.CharField(_("problem"), max_length=48, blank=True)
    problem_params = models.JSONField(_("problem's numbers"), default=dict, blank=True)
    permissions = models.JSONField(_("permissions"), default=list, blank=True)
    ip_restricted = models.BooleanField(_("restricted to our addresses"), null=True, blank=True)
    checked_at = models.DateTimeField(_("checked at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        abstract = True

    def opened(self) -> Credentials:
        """Raises SecretError."""
        return Credentials(*map(self.reveal, self.SECRETS))

    def forget_secrets(self) -> None:
        """Not saved yet. The key may be typed again, so its fingerprint goes, too."""
        for name in self.SECRETS:
            setattr(self, name, "")
        self.api_key_fingerprint = None
