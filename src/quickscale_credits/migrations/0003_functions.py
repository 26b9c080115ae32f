from django.db import migrations

from quickscale_credits.sql import install, read


class Migration(migrations.Migration):
    dependencies = [("quickscale_credits", "0002_rules")]

    operations = [
        migrations.RunSQL(read("outcome.1.sql"), "DROP TYPE quickscale_credits_outcome"),
        install("clock"),
        install("post"),
        install("close_hold"),
        install("post_due"),
        install("pick"),
        install("repay"),
        install("same_lot"),
        install("grant"),
        install("spend"),
    ]
