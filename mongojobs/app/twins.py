"""The async twins of what people do with an app's jobs, queues, workers and schedules."""

from __future__ import annotations

from mongojobs.app.operations import Operating
from mongojobs.enqueuing.twins import twin


class Awaited(Operating):
    """``Operating``, for code on an event loop too: the same words with an ``a`` in front, to be awaited."""

    aget = twin(Operating.get)
    afind = twin(Operating.find)
    acount = twin(Operating.count)
    acounts = twin(Operating.counts)
    acount_for = twin(Operating.count_for)
    afailures = twin(Operating.failures)
    awhy = twin(Operating.why)

    alog = twin(Operating.log)

    acancel = twin(Operating.cancel)
    aretry = twin(Operating.retry)
    adelete = twin(Operating.delete)
    arun_now = twin(Operating.run_now)
    amove = twin(Operating.move)
    acancel_all = twin(Operating.cancel_all)
    aretry_all = twin(Operating.retry_all)
    adelete_all = twin(Operating.delete_all)
    arun_all_now = twin(Operating.run_all_now)
    amove_all = twin(Operating.move_all)
    arescue_all = twin(Operating.rescue_all)

    apause = twin(Operating.pause)
    aresume = twin(Operating.resume)
    aqueues = twin(Operating.queues)
    aqueue_names = twin(Operating.queue_names)
    alatency = twin(Operating.latency)
    areport = twin(Operating.report)

    aworkers = twin(Operating.workers)
    adead_workers = twin(Operating.dead_workers)
    aquiet_workers = twin(Operating.quiet_workers)
    astop_workers = twin(Operating.stop_workers)
    aprune_workers = twin(Operating.prune_workers)

    aschedule = twin(Operating.schedule)
    aschedules = twin(Operating.schedules)
    aschedule_reports = twin(Operating.schedule_reports)
    asome_schedule_reports = twin(Operating.some_schedule_reports)
    aschedule_counts = twin(Operating.schedule_counts)
    aschedule_of = twin(Operating.schedule_of)
    adeclarers = twin(Operating.declarers)

    acreate_indexes = twin(Operating.create_indexes)
    acheck_indexes = twin(Operating.check_indexes)
