from django.db import migrations

from quickscale_credits.sql import install


class Migration(migrations.Migration):
    dependencies = [("quickscale_credits", "0003_functions")]

    operations = [install("schedule"), install("withdraw"), install("reschedule")]
