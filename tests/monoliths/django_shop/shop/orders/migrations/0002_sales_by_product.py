from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.RunSQL(
            """
            CREATE VIEW sales_by_product AS
            SELECT line.sku AS sku, SUM(line.quantity) AS pieces, SUM(line.quantity * line.unit_price) AS revenue
            FROM orders_orderline line JOIN orders_order o ON o.id = line.order_id
            WHERE o.status IN (1, 3)
            GROUP BY line.sku
            """,
            "DROP VIEW sales_by_product",
        )
    ]
