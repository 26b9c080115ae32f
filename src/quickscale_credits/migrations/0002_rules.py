from django.db import migrations

from quickscale_credits.sql import read


class Migration(migrations.Migration):
    dependencies = [("quickscale_credits", "0001_initial")]

    operations = [
        migrations.RunSQL(read(f"{name}.1.sql"), read(f"{name}.1.reverse.sql"))
        for name in ["rules", "archive_tables"]
    ]
