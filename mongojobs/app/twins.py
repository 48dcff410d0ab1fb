"""The async twins of what people do with an app's jobs, queues, workers and schedules."""

from __future__ import annotations

from typing import Final

from mongojobs.app.operations import Operating
from mongojobs.enqueuing.twins import twin


class Awaited(Operating):
    """``Operating``, for code on an event loop too: the same words with an ``a`` in front, to be awaited."""

    aget: Final = twin(Operating.get)
    afind: Final = twin(Operating.find)
    acount: Final = twin(Operating.count)
    acounts: Final = twin(Operating.counts)
    acount_for: Final = twin(Operating.count_for)
    afailures: Final = twin(Operating.failures)
    awhy: Final = twin(Operating.why)

    alog: Final = twin(Operating.log)

    acancel: Final = twin(Operating.cancel)
    aretry: Final = twin(Operating.retry)
    adelete: Final = twin(Operating.delete)
    arun_now: Final = twin(Operating.run_now)
    amove: Final = twin(Operating.move)
    acancel_all: Final = twin(Operating.cancel_all)
    aretry_all: Final = twin(Operating.retry_all)
    adelete_all: Final = twin(Operating.delete_all)
    arun_all_now: Final = twin(Operating.run_all_now)
    amove_all: Final = twin(Operating.move_all)
    arescue_all: Final = twin(Operating.rescue_all)

    apause: Final = twin(Operating.pause)
    aresume: Final = twin(Operating.resume)
    aqueues: Final = twin(Operating.queues)
    aqueue_names: Final = twin(Operating.queue_names)
    alatency: Final = twin(Operating.latency)
    areport: Final = twin(Operating.report)

    aworkers: Final = twin(Operating.workers)
    adead_workers: Final = twin(Operating.dead_workers)
    aquiet_workers: Final = twin(Operating.quiet_workers)
    astop_workers: Final = twin(Operating.stop_workers)
    aprune_workers: Final = twin(Operating.prune_workers)

    aschedule: Final = twin(Operating.schedule)
    aschedules: Final = twin(Operating.schedules)
    aschedule_reports: Final = twin(Operating.schedule_reports)
    asome_schedule_reports: Final = twin(Operating.some_schedule_reports)
    aschedule_counts: Final = twin(Operating.schedule_counts)
    aschedule_of: Final = twin(Operating.schedule_of)
    adeclarers: Final = twin(Operating.declarers)

    acreate_indexes: Final = twin(Operating.create_indexes)
    acheck_indexes: Final = twin(Operating.check_indexes)
