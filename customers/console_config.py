"""Named in INSTALLED_APPS, so it is read before any model."""

from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    """`django.contrib.admin` with our site as the default one."""

    default_site = "customers.console.ConsoleSite"
