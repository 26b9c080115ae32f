from django.db import migrations

from quickscale_credits.sql import install


class Migration(migrations.Migration):
    dependencies = [("quickscale_credits", "0003_functions")]

    operations = [install(name) for name in ["scheduled", "schedule", "withdraw", "reschedule"]]
