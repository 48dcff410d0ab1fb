"""The pages: the form and the last orders, and an order that shows how far it is."""

from mongoengine import DoesNotExist, ValidationError
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response

from flask import Blueprint, redirect, render_template, request, url_for
from shop.orders import TEAS, Order

pages = Blueprint("pages", __name__)


@pages.get("/")
def home() -> str:
    """The form, and what was ordered last."""
    return render_template("home.html", teas=TEAS, orders=Order.objects.order_by("-placed_at").limit(10))


@pages.post("/orders")
def place() -> Response:
    """Store the order and delay the rest: the page is there at once."""
    order = Order(**{name: request.form.get(name) for name in ("customer", "tea", "packets")})
    try:
        order.save()
    except ValidationError as error:
        raise BadRequest(str(error)) from None
    order.delay.pack()
    return redirect(url_for("pages.show", order_id=order.id))


@pages.get("/orders/<order_id>")
def show(order_id: str) -> str:
    """An order, which looks again each second until its receipt is there."""
    try:
        return render_template("order.html", order=Order.objects.get(id=order_id))
    except (DoesNotExist, ValidationError):
        raise NotFound from None
