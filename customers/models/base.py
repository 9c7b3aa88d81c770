from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.fields import IdField
from customers.tenancy import TenantManager, assert_in_scope


def tenant_key(**options: bool) -> models.ForeignKey[Any, Any]:
    """To whom a row belongs. A table whose rows are written while orders wait says with
    `db_index=False` that another index begins with it, or that nobody looks by it."""
    return models.ForeignKey(
        "customers.Tenant",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("tenant"),
        **options,  # type: ignore[arg-type]
    )


class TenantModel(models.Model):
    """A business row: it belongs to exactly one tenant and is only reached in a scope."""

    tenant_owned = True
    customer_path: str | None = None
    """The lookup that leads to the customer, for `.for_customer()`; None when there is none."""

    id = IdField()
    tenant = tenant_key()

    objects = TenantManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        assert_in_scope(self)
        super().save(*args, **kwargs)

    def _do_update(self, base_qs: Any, *args: Any) -> Any:
        # A loaded row that was given another tenant is not found, so it does not move there.
        return super()._do_update(base_qs.filter(tenant_id=self.tenant_id), *args)  # type: ignore[misc]

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        assert_in_scope(self)
        return super().delete(*args, **kwargs)
