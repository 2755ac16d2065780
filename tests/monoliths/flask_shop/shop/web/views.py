"""The shop as a browser sees it, as JSON."""

from flask import Blueprint, jsonify, request

from shop import checkout
from shop.db import session
from shop.store.carts import Cart, CartError

pages = Blueprint("pages", __name__)


def _shown(cart):
    return jsonify(
        name=cart.reference, lines=[{"sku": line.sku, "quantity": line.quantity} for line in cart.lines], etag=cart.etag
    )


@pages.get("/carts/<token>")
def show_cart(token):
    return _shown(Cart.of(token))


@pages.post("/carts/<token>/lines")
def add_line(token):
    cart = Cart.of(token, lock=True)
    cart.add(request.json["sku"], request.json["quantity"])
    session.commit()
    return _shown(cart)


@pages.delete("/carts/<token>/lines/<sku>")
def remove_line(token, sku):
    cart = Cart.of(token, lock=True)
    cart.remove(sku)
    session.commit()
    return _shown(cart)


@pages.post("/checkout/<token>")
def check_out(token):
    number, total, _ = checkout.place_order(token, request.json["payment_token"], request.json["request_id"])
    return jsonify(order="orders/{}".format(number), total=str(total))


@pages.errorhandler(CartError)
@pages.errorhandler(checkout.CheckoutError)
def refuse(error):
    session.rollback()
    return jsonify(error=type(error).__name__), 409
