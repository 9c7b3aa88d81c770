"""Every model of ours has a factory, and what a factory makes stays in one tenant."""

import inspect

import pytest
from django.apps import apps
from factory.django import DjangoModelFactory

from customers.models import EncryptionCanary
from customers.tenancy import system_scope
from tests import factories

FACTORIES = [
    member
    for _, member in inspect.getmembers(factories, inspect.isclass)
    if issubclass(member, DjangoModelFactory) and not member._meta.abstract
]
OUR_APPS = {"customers", "signals_app", "strategies", "trading", "notifications"}


@pytest.mark.django_db
@pytest.mark.parametrize("made_by", FACTORIES, ids=lambda made_by: made_by._meta.model.__name__)
def test_a_factory_stores_a_row_and_its_relations_share_one_tenant(made_by):
    row = made_by()
    with system_scope("test"):
        stored = type(row)._base_manager.get(pk=row.pk)
        if getattr(stored, "tenant_owned", False):
            for field in stored._meta.concrete_fields:
                related = getattr(stored, field.name) if field.is_relation else None
                if getattr(related, "tenant_owned", False):
                    assert related.tenant_id == stored.tenant_id, field.name


def test_every_model_has_a_factory():
    made = {made_by._meta.model for made_by in FACTORIES}
    ours = {model for model in apps.get_models() if model._meta.app_label in OUR_APPS}
    assert ours - made - {EncryptionCanary} == set()
