from django.db import models
from django.utils.translation import gettext_lazy as _


class LoginFailure(models.Model):
    """Failed logins of one address for one email, or of one address for any: see login_guard.

    Kept in the database, so that a restart of the cache opens no door. No tenant: a login is
    global.
    """

    key = models.CharField(primary_key=True, max_length=64, verbose_name=_("key"))
    failures = models.PositiveIntegerField(_("failures"), default=0)
    window_started_at = models.DateTimeField(_("counted since"))
    locked_until = models.DateTimeField(_("locked until"), null=True, blank=True)

    class Meta:
        verbose_name = _("failed login")
        verbose_name_plural = _("failed logins")
        indexes = [models.Index(fields=["window_started_at"], name="login_failure_age")]

    def __str__(self) -> str:
        return f"{self.key[:12]}: {self.failures}"
