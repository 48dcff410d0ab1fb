"""The login, a signed cookie, and who may see the dashboard. There is one account; yours has users."""

import hmac
import os
import secrets
from typing import Annotated, Any

from fastapi.responses import RedirectResponse, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer
from mongojobs.web import User

from fastapi import APIRouter, Form, Query, Request
from shop.pages import show

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_hex()  # set it: one for all processes and deploys
SIGNER = URLSafeTimedSerializer(SECRET_KEY)
DAY_SECONDS = 24 * 60 * 60

accounts = APIRouter(include_in_schema=False)


def auth(request: Any) -> User | None:
    """Say who asks for the dashboard: that of the cookie, who may also act."""
    try:
        return User(SIGNER.loads(request.cookies.get("login", ""), max_age=DAY_SECONDS), role="operator")
    except BadSignature:
        return None


@accounts.get("/login")
def ask(request: Request) -> Response:
    """Ask for the password."""
    return show(request, "login.html")


@accounts.post("/login")
def login(
    request: Request,
    name: Annotated[str, Form()],
    password: Annotated[str, Form()],
    back: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    """Lead back to where the visitor came from, with a cookie."""
    if not is_right(name, password):
        return show(request, "login.html", wrong=True)
    answer = RedirectResponse(back_to(back), status_code=303)
    answer.set_cookie("login", SIGNER.dumps(name), max_age=DAY_SECONDS, httponly=True, samesite="lax")
    return answer


def is_right(name: str, password: str) -> bool:
    """Whether somebody with this name has this password; where none was set, nobody has."""
    wanted = os.environ.get("ADMIN_PASSWORD", "")
    return bool(wanted) and name == "admin" and hmac.compare_digest(password.encode(), wanted.encode())


def back_to(address: str) -> str:
    """Return *address* if it is on this site."""
    return address if address.startswith("/") and address[1:2] not in ("/", "\\") else "/"
