"""What people type to find jobs."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mongojobs.web.search import and_also, ended_within, read_search, term

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
ID = "67442d0f5f627c1f6c1f4a01"


def chosen(text):
    search = read_search(text, state="failed", now=NOW)
    assert search.problem == ""
    return search.job_filter


class TestASearch:
    def test_has_conditions_of_every_kind(self):
        found = chosen('queue:mail name:shop.send error:"timed out" since:2h until:2026-11-25T13:00')

        assert (found.state, found.queue, found.name, found.error) == ("failed", "mail", "shop.send", "timed out")
        assert found.since == NOW - timedelta(hours=2)
        assert found.until == datetime(2026, 11, 25, 13, tzinfo=UTC)

    def test_takes_bare_words_for_parts_of_a_name(self):
        assert chosen('Group#update users "a b"').words == ("Group#update", "users", "a b")

    def test_knows_tags_priorities_and_workers(self):
        found = chosen("tag:vip priority:-5 worker:web.1")

        assert (found.tag, found.priority, found.worker) == ("vip", -5, "web.1")

    def test_knows_schedules_and_unique_keys(self):
        found = chosen('schedule:"close books" key:order_id=7')

        assert (found.schedule, found.key) == ("close books", "order_id=7")

    def test_knows_ends_and_retries(self):
        found = chosen("ended-since:2h ended-until:2026-11-25T13:00 is:retrying")

        assert found.ended_since == NOW - timedelta(hours=2)
        assert found.ended_until == datetime(2026, 11, 25, 13, tzinfo=UTC)
        assert found.retrying is True

    def test_of_a_column_of_a_chart_is_read_as_it_was_meant(self):
        found = chosen(ended_within(NOW, timedelta(minutes=6)))

        assert (found.ended_since, found.ended_until) == (NOW, NOW + timedelta(minutes=6))

    def test_of_nothing_is_all_jobs(self):
        assert chosen("   ").name is None

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("arg.x:7", 7),
            ("arg.x:-1.5", -1.5),
            ("arg.x:true", True),
            ("arg.x:null", None),
            ('arg.x:"7"', "7"),
            ("arg.x:seven", "seven"),
            (f"arg.x:{ID}", ObjectId(ID)),
            ('arg.x:"say \\"hi\\""', 'say "hi"'),
        ],
    )
    def test_reads_arguments_as_values(self, text, value):
        [(place, found)] = chosen(text).pairs

        assert (place, found, type(found)) == ("x", value, type(value))

    def test_knows_the_id_of_a_job(self):
        assert read_search(ID, state=None, now=NOW).job_id == ID
        assert read_search(f"name:{ID}", state=None, now=NOW).job_id is None

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("queue:a queue:b", "appears twice"),
            ("colour:red", "'colour' cannot be searched for"),
            ('error:"unfinished', "cannot be understood"),
            ("since:yesterday", "is no time"),
            ("arg.password:x", "is masked"),
            ("arg.user.api_key:x", "is masked"),
            ("is:odd", "use is:retrying"),
            ("is:retrying is:retrying", "appears twice"),
            ("priority:high", "is not a priority"),
            ("priority:9999999999", "must be a whole number between"),
            ("a b c d e f", "words of a filter must be at most 5"),
            ("name:" + "x" * 300, "must be a text of 1 to 256"),
        ],
    )
    def test_says_what_is_wrong_and_finds_nothing_by_mistake(self, text, problem):
        search = read_search(text, state=None, now=NOW)

        assert problem in search.problem

    def test_can_take_each_condition_away(self):
        search = read_search('queue:mail error:"timed out" x', state=None, now=NOW)

        assert [one.without for one in search.terms] == [
            'error:"timed out" x',
            "queue:mail x",
            'queue:mail error:"timed out"',
        ]


class TestATerm:
    @pytest.mark.parametrize("value", ["mail", "two words", 'say "hi"', "back\\slash", "\\", 'x"', "a:b", "é"])
    def test_is_read_as_it_was_meant(self, value):
        assert chosen(term("error", value)).error == value

    def test_takes_the_place_of_its_like(self):
        assert and_also("queue:a since:2h", "queue", "b c") == 'since:2h queue:"b c"'
