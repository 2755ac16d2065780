"""What the accountants ask for: joins over everything."""

from django.db.models import F, Sum

from shop.orders.models import OrderLine, SalesByProduct


def best_customers(year):
    """Who has spent most in a category that is still sold."""
    return (
        OrderLine.objects.filter(order__paid_at__year=year, product__category__parent__isnull=True)
        .values("order__customer__username", "product__category__name")
        .annotate(spent=Sum(F("unit_price") * F("quantity")))
        .order_by("-spent")
    )


def open_value():
    """What lies in open baskets, by partner."""
    from shop.basket.models import Line

    return Line.objects.filter(basket__status=1).values("product__stockrecords__partner__code").annotate(Sum("price"))


def sales():
    return SalesByProduct.objects.order_by("-revenue")
