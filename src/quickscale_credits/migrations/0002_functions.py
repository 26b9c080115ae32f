from django.db import migrations

from quickscale_credits.sql import install, run


class Migration(migrations.Migration):
    dependencies = [("quickscale_credits", "0001_initial")]

    operations = [run("0002_types"), *install("0002"), run("0002_rules")]
