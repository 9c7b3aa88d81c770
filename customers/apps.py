import os

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.utils.translation import gettext_lazy as _


class CustomersConfig(AppConfig):
    name = "customers"
    verbose_name = _("Customers")

    def ready(self) -> None:
        from customers import lookups
        from customers.checks import squashed_migrations_check
        from customers.failpoints import arm
        from customers.tenancy import install_tripwire

        checks.register(squashed_migrations_check, checks.Tags.database)
        lookups.register()
        install_tripwire()
        arm(
            os.environ.get("FAILPOINTS", ""),
            seed=os.environ.get("FAILPOINTS_SEED", ""),
            allowed=settings.FAILPOINTS_ALLOWED,
        )
