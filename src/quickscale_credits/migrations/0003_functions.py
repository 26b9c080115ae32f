from django.db import migrations

from quickscale_credits.sql import install, read


class Migration(migrations.Migration):
    dependencies = [("quickscale_credits", "0002_rules")]

    operations = [
        migrations.RunSQL(read("outcome.1.sql"), "DROP TYPE quickscale_credits_outcome"),
        migrations.RunSQL(read("step.1.sql"), "DROP TYPE quickscale_credits_step"),
        migrations.RunSQL(read("hold_outcome.1.sql"), "DROP TYPE quickscale_credits_hold_outcome"),
        *[
            install(name)
            for name in [
                "clock",
                "actor",
                "actors",
                "note_change",
                "post_lines",
                "post",
                "owes",
                "absent",
                "lineage",
                "revocable",
                "claim",
                "freed",
                "settlement",
                "settled",
                "next_due",
                "replay",
                "opening",
                "close_hold",
                "post_due",
                "overdraft",
                "pick",
                "grant",
                "spend",
                "hold",
                "hold_parts",
                "captured",
                "capture",
                "prolong",
                "settle",
                "release",
                "left",
                "taken",
                "unpay",
                "give_back",
                "reverse",
                "revoke",
                "move",
                "transfer",
                "set_status",
                "set_overdraft",
                "set_low_balance",
                "expire_due",
                "verify_lost",
                "ending",
                "announce",
                "rebuild",
                "verify_spends",
            ]
        ],
    ]
