"""The pages: the form and the last orders, an order that shows how far it is, and a report."""

from bson import ObjectId
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.forms import modelform_factory
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from mongojobs import default_app

from shop.jobs import make_report, pack
from shop.models import Order

OrderForm = modelform_factory(Order, fields=["customer", "tea", "packets"])


def home(request: HttpRequest) -> HttpResponse:
    """The form, and what was ordered last; a POST of it is an order."""
    form = OrderForm(request.POST or None)
    if not form.is_valid():
        return render(request, "home.html", {"form": form, "orders": Order.objects.order_by("-placed_at")[:10]})
    with transaction.atomic():
        order = form.save()
        transaction.on_commit(lambda: pack.delay(order))  # not before a worker can see the order
    return redirect("order", order_id=order.pk)


def show(request: HttpRequest, order_id: int) -> HttpResponse:
    """An order, which looks again each second until its receipt is there."""
    return render(request, "order.html", {"order": get_object_or_404(Order, pk=order_id)})


@login_required
def report(request: HttpRequest) -> HttpResponse:
    """The report: a POST has it made, and all others see how far it is, and what came of it."""
    if request.method == "POST":
        request.session["report"] = str(make_report.delay().id)
        return redirect("report")
    asked = request.session.get("report")
    job = default_app().get(ObjectId(asked)) if asked else None
    is_made = job is not None and job.state == "completed"
    return render(request, "report.html", {"job": job, "table": job.result() if is_made else ""})
