from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models.base import TenantModel


class StreamState(TenantModel):
    """What became of one subject's private stream, as the streamer that has it saw it last.

    Believed only as long as `lease`, its shard's, is held (customers.selectors.streams).
    """

    class State(models.TextChoices):
        CONNECTING = "connecting", _("waiting for its stream")
        LIVE = "live", _("live")
        STALE = "stale", _("silent")
        LOST = "lost", _("interrupted")
        REFUSED = "refused", _("refused")

    kind = models.CharField(_("kind"), max_length=16)
    subject_id = models.CharField(_("subject"), max_length=26)
    lease = models.CharField(_("lease"), max_length=80)
    state = models.CharField(_("state"), max_length=12, choices=State.choices)
    since = models.DateTimeField(_("since"))
    trouble = models.CharField(_("trouble"), max_length=20, blank=True)
    detail = models.CharField(_("detail"), max_length=200, blank=True)
    refused_mark = models.CharField(
        max_length=80, blank=True, help_text="Which key was refused: it is not tried again."
    )
    connection_id = models.CharField(_("connection"), max_length=64, blank=True)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("stream")
        verbose_name_plural = _("streams")
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject_id"], name="stream_state_once"),
        ]
        indexes = [models.Index(fields=["tenant", "state"], name="stream_state_tenant")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id[-8:]}: {self.state}"
