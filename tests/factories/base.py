"""What all factories stand on: tenants, users, and rows that are made in their tenant's scope."""

from __future__ import annotations

import hashlib
from typing import Any

import factory

from customers.models import Tenant, User
from customers.tenancy import system_scope, tenant_scope

PASSWORD = "correct-horse-battery"
WEBHOOK_SECRET = "whsec_" + "dGFuZGVtLXRlc3RzLXNpZ25pbmctc2VjcmV0LTMyYnl0ZXM="


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TenantFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Tenant

    name = factory.Sequence(lambda n: f"Firm {n}")
    slug = factory.Sequence(lambda n: f"firm-{n}")


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    name = factory.Sequence(lambda n: f"User {n}")

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        return model_class.objects.create_user(password=kwargs.pop("password", PASSWORD), **kwargs)


class TenantOwnedFactory(factory.django.DjangoModelFactory):
    """Creates in the scope of the row's tenant; parents are read in the system's."""

    class Meta:
        abstract = True

    tenant = factory.SubFactory(TenantFactory)

    @classmethod
    def _generate(cls, strategy: Any, params: Any) -> Any:
        with system_scope("follow the relations of a test's rows"):
            return super()._generate(strategy, params)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        tenant = kwargs["tenant"]
        with tenant_scope(tenant.pk):
            return super()._create(model_class, *args, **kwargs)


def tenant_of(parent: str) -> Any:
    return factory.LazyAttribute(lambda made: getattr(made, parent).tenant)
