from django.db import migrations, models

import customers.fields


class Migration(migrations.Migration):
    dependencies = [("trading", "0023_starts_of_copies")]

    operations = [
        migrations.AddField(
            model_name="copiedposition",
            name="leader_symbol",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Whose signals it follows; empty: those of its own symbol.",
                max_length=48,
                verbose_name="leader's symbol",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="copiedposition",
            name="price_ratio",
            field=customers.fields.AmountField(
                blank=True,
                editable=False,
                help_text="Of its price to that in the leader's symbol, when its last entry was "
                "planned.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="signalmarket",
            name="symbol",
            field=models.CharField(default="", max_length=48, verbose_name="symbol"),
        ),
        # The new key first: MySQL needs one that begins with the signal, for its foreign key.
        migrations.AddConstraint(
            model_name="signalmarket",
            constraint=models.UniqueConstraint(
                fields=("signal", "venue", "symbol"), name="signal_symbol_once"
            ),
        ),
        migrations.RemoveConstraint(model_name="signalmarket", name="signal_market_once"),
    ]
