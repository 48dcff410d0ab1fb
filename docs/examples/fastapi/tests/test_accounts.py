"""Who is let in."""

import pytest


def log_in(client, password, back="/jobs/"):
    return client.post("/login", params={"next": back}, data={"name": "admin", "password": password})


def test_strangers_are_led_to_the_login(client):
    assert client.get("/jobs/queues").headers["Location"] == "/login?next=%2Fjobs%2Fqueues"


def test_the_admin_sees_the_dashboard(client):
    assert log_in(client, "sesame").headers["Location"] == "/jobs/"
    assert client.get("/jobs/?").status_code != 302


def test_a_wrong_password_is_not_right(client):
    assert "not right" in log_in(client, "please").text


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_nobody_is_led_to_another_site(client, elsewhere):
    assert log_in(client, "sesame", back=elsewhere).headers["Location"] == "/"
