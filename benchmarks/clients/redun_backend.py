"""redun: what its scheduler has its backend record of a job, call after call as it makes them."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["record"]

INPUTS, OUTPUTS = 3, 2
BYTES = 20_000


def record(folder: str, times: int) -> list[float]:
    """Within a fresh process: seconds of each of so many jobs, which read what others made."""
    from redun import Scheduler, task
    from redun.config import Config

    @task(name="make", namespace="bench", version="1")
    def make(one: Any, two: Any, three: Any, tilt: int) -> Any:
        return [one, two, three, tilt]

    uri = f"sqlite:///{folder}/redun.db"
    scheduler = Scheduler(Config({"backend": {"db_uri": uri}, "scheduler": {"log_level": "ERROR"}}))
    scheduler.load()
    known = [_value(-number) for number in range(1, INPUTS + 1)]
    # The first job of an execution enters the task and these values.
    scheduler.run(make(*known, 0))
    root = _job(scheduler, make, (*known, 0), parent=None)
    seconds = []
    for number in range(1, times + 1):
        arguments = (*known, number)
        job = _job(scheduler, make, arguments, parent=root)
        result = [_value(number * OUTPUTS + side) for side in range(OUTPUTS)]
        begun = time.perf_counter()
        _record(scheduler.backend, job, result)
        seconds.append(time.perf_counter() - begun)
        known = [*known, *result][-INPUTS:]
    return seconds


def _value(number: int) -> dict[str, Any]:
    """Return what stands for a file: its own class would look at the disk for each."""
    digest = f"sha256:{abs(number):064x}"
    return {"uri": f"bench://product/{number}", "digest": digest, "size_bytes": BYTES}


def _job(scheduler: Any, task: Any, arguments: tuple[Any, ...], *, parent: Any) -> Any:
    from redun.scheduler import Execution, Job
    from redun.task import hash_args_eval

    execution = parent.execution if parent else Execution()
    job = Job(task, task(*arguments), parent_job=parent, execution=execution)
    job.eval_args = (arguments, {})
    registry = scheduler.type_registry
    job.eval_hash, job.args_hash = hash_args_eval(registry, task, arguments, {})
    if parent is None:
        scheduler.backend.record_execution(execution.id, ["bench"])
        scheduler.backend.record_job_start(job)
    return job


def _record(backend: Any, job: Any, result: Any) -> None:
    backend.record_job_start(job)
    backend.set_eval_cache(job.eval_hash, job.task.hash, job.args_hash, result, value_hash=None)
    result_hash = backend.record_value(result)
    job.call_hash = backend.record_call_node(
        task_name=job.task.fullname,
        task_hash=job.task.hash,
        args_hash=job.args_hash,
        expr_args=(job.expr.args, job.expr.kwargs),
        eval_args=job.eval_args,
        result_hash=result_hash,
        child_call_hashes=[],
        subtree_tasks={job.task},
    )
    backend.record_job_end(job)
