"""The pages, which are few: all else is JSON."""

from pathlib import Path

from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

from fastapi import APIRouter, Request
from shop.orders import PRICES

TEMPLATES = Jinja2Templates(Path(__file__).parent / "templates")

pages = APIRouter(include_in_schema=False)


def show(request: Request, name: str, **values: object) -> Response:
    """Return a page."""
    return TEMPLATES.TemplateResponse(request, name, values)


@pages.get("/")
def home(request: Request) -> Response:
    """The form, whose script asks the API and follows the order."""
    return show(request, "home.html", prices=PRICES)
