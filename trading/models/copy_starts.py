from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import TenantModel
from strategies.models import Subscription


class CopyStart(TenantModel):
    """What became, at the start of a copy, of the positions that its leader held already. Made
    with the copy, if it asked for them.

    `positions`, by symbol: `step` (to_do, sent, done), the `signal` that leads there, its
    `attempt`, `planned` (how many signals in the symbol had been planned for the copy when the
    position was read), and as a `code` with `params` why nothing came of it.
    """

    class Takes(models.TextChoices):
        NO_WORSE = "no_worse", _("where the price is no worse")
        ALL = "all", _("all")

    class Status(models.TextChoices):
        DUE = "due", _("being looked at")
        DONE = "done", _("done")

    customer_path = "subscription__customer_id"

    subscription = models.OneToOneField(
        Subscription, on_delete=models.PROTECT, related_name="start", verbose_name=_("copy")
    )
    takes = models.CharField(_("takes"), max_length=12, choices=Takes.choices)
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.DUE
    )
    positions = models.JSONField(_("positions"), default=dict)
    was_read = models.BooleanField(default=False)
    """Which symbols there are is known."""
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    reason_params = models.JSONField(_("reason numbers"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"))
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)

    class Meta:
        verbose_name = _("start of a copy")
        verbose_name_plural = _("starts of copies")
        indexes = [models.Index(fields=["status", "created_at"], name="copy_start_due")]

    def __str__(self) -> str:
        return f"{self.subscription_id[-8:]} {self.get_status_display()}"
