"""Jobs under other decorators, and values whose classes only hints with parameters name."""

import pytest

from mongojobs import ArgumentsError
from tests.support.decorated import Box, Crate, Item, Library, Parcel, fetch, load, log_in, pack, remember, send, ship
from tests.support.sample_jobs import recorder
from tests.support.working import work_off


class TestADecoratedJob:
    @pytest.mark.parametrize(("args", "kwargs"), [(("a.png",), {}), ((), {"name": "a.png"})])
    def test_takes_what_its_wrapper_takes_which_adds_an_argument(self, app, args, kwargs):
        load.delay(*args, **kwargs)

        assert work_off() == (1, 0)

        assert recorder.facts("loaded") == [("connection", "a.png")]

    def test_takes_what_its_wrapper_takes_which_keeps_an_argument(self, app):
        send.delay("Ann", retries=3)

        assert work_off() == (1, 0)

        assert (recorder.facts("retries"), recorder.facts("sent")) == ([3], ["Ann"])

    def test_is_checked_against_the_wrapper(self, app):
        with pytest.raises(ArgumentsError, match=r"send\(\*args, retries.*missing a required .*'retries'"):
            send.delay("Ann")
        with pytest.raises(ArgumentsError, match=r"fetch\(name: str, /\).*too many positional arguments"):
            fetch.delay("a", "b")
        with pytest.raises(ArgumentsError, match="missing a required argument: 'name'"):
            fetch.delay()

    def test_is_checked_against_what_a_cache_wraps(self, app):
        with pytest.raises(ArgumentsError, match="missing a required argument: 'name'"):
            remember.delay()

    def test_may_be_a_method(self, app):
        library = Library().save()
        library.delay.lend("Emma")
        library.order(title="Persuasion")

        assert work_off() == (2, 0)

        assert recorder.facts("lent") + recorder.facts("ordered") == [
            ("connection", "Emma"),
            ("connection", "Persuasion"),
        ]

    @pytest.mark.parametrize(
        ("args", "kwargs"), [(("ann", "s3cret-word"), {}), (("ann",), {"password": "s3cret-word"})]
    )
    def test_keeps_its_secrets_though_nobody_knows_which_argument_is_which(self, app, args, kwargs):
        job = log_in.delay(*args, **kwargs)

        work_off()

        assert "s3cret-word" not in app.get(job.id).last_error


class TestAGenericDataclass:
    def test_counts_as_named_where_a_hint_gives_it_parameters(self, app):
        pack.delay(Box(Item("cup")), [Box(1)])

        assert work_off() == (1, 0)

        assert recorder.facts("packed") == [(Box(Item("cup")), [Box(1)])]

    def test_names_the_parameters_of_its_base(self, app):
        ship.delay(Crate(Item("cup")), Parcel(7))

        assert work_off() == (1, 0)

        assert recorder.facts("shipped") == [(Crate(Item("cup")), Parcel(7))]
