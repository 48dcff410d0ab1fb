"""A coffee roastery: an API that takes orders, and a worker that roasts.

- ``orders``: what is ordered and what comes of it, as Pydantic models
- ``jobs``: what a request should not wait for, or waits for without holding others up
- ``accounts``: who may see the dashboard
- ``main``: the site
"""
