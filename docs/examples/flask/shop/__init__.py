"""A tea shop: pages that take orders, and a worker that packs them.

- ``orders``: what is stored, and the jobs
- ``pages``: what visitors see
- ``accounts``: who may see the dashboard
"""

import os
import secrets
from typing import Any

import mongoengine
from mongojobs.flask import MongoJobs

from flask import Flask
from shop import accounts, pages

jobs = MongoJobs()


def create_app(**config: Any) -> Flask:
    """Make the site; *config* is for tests."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),  # set it: one for all processes and deploys
        SESSION_COOKIE_SAMESITE="Lax",
        SHOP="The Tea Shop",
        PACKING_SECONDS=3.0,
        MONGODB_URI=os.environ.get("MONGODB_URI", "mongodb://localhost:27017/teashop"),
        ADMIN_PASSWORD=os.environ.get("ADMIN_PASSWORD", ""),
        MONGOJOBS_KEEP_COMPLETED="1d",
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config)
    mongoengine.connect(host=app.config["MONGODB_URI"], uuidRepresentation="standard")
    jobs.init_app(app)
    app.register_blueprint(pages.pages)
    accounts.init_app(app)
    return app
