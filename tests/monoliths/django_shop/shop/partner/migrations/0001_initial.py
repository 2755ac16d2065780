import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Partner",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=128)),
                ("code", models.SlugField(max_length=128, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="StockRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("partner_sku", models.CharField(max_length=128)),
                ("price_currency", models.CharField(default="EUR", max_length=12)),
                ("price", models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True)),
                ("num_in_stock", models.PositiveIntegerField(blank=True, null=True)),
                ("num_allocated", models.IntegerField(blank=True, null=True)),
                ("low_stock_threshold", models.PositiveIntegerField(blank=True, null=True)),
                ("date_created", models.DateTimeField(auto_now_add=True)),
                ("date_updated", models.DateTimeField(auto_now=True, db_index=True)),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="stockrecords", to="partner.partner"
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="stockrecords", to="catalog.product"
                    ),
                ),
            ],
            options={
                "unique_together": {("partner", "partner_sku")},
            },
        ),
    ]
