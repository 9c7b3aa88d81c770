from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("strategies", "0007_risk_monitor")]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="is_mapped",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="It trades, or once traded, another symbol than the leader's: its exits "
                "are looked for in other symbols, too.",
            ),
        ),
    ]
