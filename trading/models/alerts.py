from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import TenantModel


class Alert(TenantModel):
    """Something that the tenant's staff must know of, as code and numbers, until it is over.

    `open_key` is unique while it lasts and empty afterwards, so that one trouble is one alert
    however many processes see it.
    """

    code = models.CharField(_("code"), max_length=32)
    subject = models.CharField(_("subject"), max_length=120, blank=True)
    open_key = models.CharField(max_length=160, null=True, editable=False)  # noqa: DJ001  (MySQL has no conditional unique keys)
    params = models.JSONField(_("numbers"), default=dict, blank=True)
    raised_at = models.DateTimeField(_("raised at"))
    seen_at = models.DateTimeField(_("last seen at"))
    resolved_at = models.DateTimeField(_("over since"), null=True, blank=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "open_key"], name="alert_open_once"),
        ]
        indexes = [models.Index(fields=["tenant", "raised_at"], name="alert_recent")]

    def __str__(self) -> str:
        return f"{self.code} {self.subject}".strip()
