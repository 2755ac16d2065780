"""Puts a product into the new stores, and a piece of it into each cart: `fill_stores.py CATALOG CART NUMBER`."""

import sys

from google.type.money_pb2 import Money

from checkout.gen.clients import cart, catalog
from checkout.gen.runtime import SyncConnection

catalog_address, cart_address, number = sys.argv[1:]
with SyncConnection("catalog", catalog_address) as connection:
    product = catalog.Product(title="Cup", price=Money(currency_code="EUR", units=9, nanos=900_000_000))
    catalog.SyncClient(connection).create_product(catalog.CreateProductRequest(product_id="cup", product=product))
with SyncConnection("cart", cart_address) as connection:
    client = cart.SyncClient(connection)
    for index in range(int(number)):
        item = cart.Item(product="products/cup", quantity=1)
        client.add_item(cart.AddItemRequest(cart=f"carts/{index}", item=item))
