"""The pages that matter here, as JSON."""

from django.urls import path

from shop.web import views

urlpatterns = [
    path("basket/<str:token>", views.show_basket),
    path("basket/<str:token>/lines", views.add_line),
    path("basket/<str:token>/lines/<str:sku>", views.remove_line),
    path("checkout/<str:token>", views.check_out),
    path("orders/<str:number>", views.show_order),
    path("dashboard/sales", views.sales),
]
