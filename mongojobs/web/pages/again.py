"""Running a job again once it has ended, perhaps with other arguments."""

from __future__ import annotations

from werkzeug.wrappers import Response

from mongojobs.app.run_again import run_again
from mongojobs.core.errors import EnqueueError
from mongojobs.core.job import Job
from mongojobs.web.arguments import LONGEST_ARGUMENT, changed_in, fields_of, typed_in
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import key_of
from mongojobs.web.pages.job import job_of


def ask(visit: RequestContext) -> Page:
    """Ask for the arguments."""
    return _form(visit, job_of(visit))


def change(visit: RequestContext) -> Page | Response:
    """Enqueue the job."""
    job = job_of(visit)
    call, fields = fields_of(job.handler, visit)
    try:
        changed = changed_in(fields, visit)
        made = run_again(visit.app, job, changed=changed)
    except EnqueueError as error:
        return _form(visit, job, problem=call.clean(str(error)), wrong=getattr(error, "option", ""))
    names = [field.name for field in fields if field.place in changed]
    visit.done("run again", target={"ids": [str(job.id)], "as": str(made.id), "changed": names})
    return visit.go("job", id=key_of(made.id), did="again", n=1)


def _form(visit: RequestContext, job: Job, *, problem: str = "", wrong: str = "") -> Page:
    call, fields = fields_of(job.handler, visit)
    values = {
        "job": job,
        "key": key_of(job.id),
        "call": call,
        "fields": fields,
        "typed": typed_in(fields, visit),
        "problem": problem,
        "wrong": wrong if wrong in visit.request.form else "",
        "longest": LONGEST_ARGUMENT,
    }
    return Page("again.html", values, status=400 if problem else 200)
