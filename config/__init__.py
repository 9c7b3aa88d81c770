"""Composition root: settings, routes, processes. Nothing imports it; it may import everything."""

import decimal

# Money is exact: 60 digits hold every product of a DECIMAL(38,18) pair that we form.
# DefaultContext serves threads that start later, getcontext() the importing one.
DECIMAL_PRECISION_DIGITS = 60
decimal.DefaultContext.prec = DECIMAL_PRECISION_DIGITS
decimal.getcontext().prec = DECIMAL_PRECISION_DIGITS

from config.celery import app as celery_app  # noqa: E402  (precision first: tasks use Decimal)

__all__ = ["celery_app"]
