"""The login, by Flask-Login, and the dashboard behind it. There is one account; yours has users."""

import hmac

from flask_login import LoginManager, UserMixin, login_user
from mongojobs.web import wsgi_app
from mongojobs.web.flask import flask_login
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from flask import Flask, current_app, redirect, render_template, request


class Account(UserMixin):
    """Who is logged in."""

    def __init__(self, name: str) -> None:
        self.id = name

    @property
    def is_admin(self) -> bool:
        """Whether they may see the dashboard, and act in it."""
        return self.id == "admin"


def init_app(app: Flask) -> None:
    """Give *app* a login, and the dashboard under /jobs."""
    logins = LoginManager(app)
    logins.login_view = "login"
    logins.user_loader(Account)
    app.add_url_rule("/login", view_func=login, methods=["GET", "POST"])
    auth = flask_login(app, is_viewer=lambda user: user.is_admin, is_operator=lambda user: user.is_admin)
    dashboard = wsgi_app(auth=auth, app=app.extensions["mongojobs"])
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/jobs": dashboard})


def login() -> str | Response:
    """Ask for the password, and lead back to where the visitor came from."""
    if request.method == "GET":
        return render_template("login.html")
    if not is_right(request.form.get("name", ""), request.form.get("password", "")):
        return render_template("login.html", wrong=True)
    login_user(Account("admin"))
    return redirect(back_to(request.args.get("next", "/")))


def is_right(name: str, password: str) -> bool:
    """Whether somebody with this name has this password; without one in the settings, nobody has."""
    wanted = current_app.config["ADMIN_PASSWORD"]
    return bool(wanted) and name == "admin" and hmac.compare_digest(password.encode(), wanted.encode())


def back_to(address: str) -> str:
    """Return *address* if it is on this site."""
    return address if address.startswith("/") and address[1:2] not in ("/", "\\") else "/"
