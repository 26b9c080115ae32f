from django.db import migrations

from quickscale_credits.sql import read


class Migration(migrations.Migration):
    dependencies = [("quickscale_credits", "0001_initial")]

    operations = [migrations.RunSQL(read("rules.1.sql"), read("rules.1.reverse.sql"))]
