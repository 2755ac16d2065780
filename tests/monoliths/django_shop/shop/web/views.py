"""The shop as a browser sees it."""

import json

from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_http_methods

from shop.basket.exceptions import BasketError
from shop.basket.models import Basket
from shop.orders import checkout
from shop.orders.models import Order
from shop.orders.reports import sales as sales_of


def _basket(basket):
    return {
        "name": basket.reference,
        "lines": [
            {"sku": line.sku, "quantity": line.quantity, "title": line.product.title if line.product else None}
            for line in basket.lines.select_related("product")
        ],
        "total": None if basket.total is None else str(basket.total),
    }


@require_GET
def show_basket(request, token):
    return JsonResponse(_basket(Basket.open.of(token)))


@require_http_methods(["POST"])
def add_line(request, token):
    wanted = json.loads(request.body)
    try:
        basket = Basket.open.of(token).add(wanted["sku"], wanted["quantity"])
    except BasketError as error:
        return JsonResponse({"error": type(error).__name__}, status=409)
    return JsonResponse(_basket(basket))


@require_http_methods(["DELETE"])
def remove_line(request, token, sku):
    try:
        basket = Basket.open.of(token).remove(sku)
    except BasketError as error:
        return JsonResponse({"error": type(error).__name__}, status=409)
    return JsonResponse(_basket(basket))


@require_http_methods(["POST"])
def check_out(request, token):
    wanted = json.loads(request.body)
    try:
        order = checkout.place_order(token, wanted["payment_token"], wanted["request_id"])
    except checkout.CheckoutError as error:
        return JsonResponse({"error": type(error).__name__}, status=409)
    return JsonResponse({"order": order.reference, "total": str(order.total)})


@require_GET
def show_order(request, number):
    order = get_object_or_404(Order, number=number)
    return JsonResponse({"order": order.reference, "status": order.get_status_display()})


@require_GET
def sales(request):
    return JsonResponse({"sales": [{"sku": s.sku, "pieces": s.pieces} for s in sales_of()]})
