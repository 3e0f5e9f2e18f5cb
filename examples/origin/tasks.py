"""The job with rootcellar."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from artifacts import registry
from celery import Celery
from elec import base_load_mw, electricity

from rootcellar import OUTPUT, Cause, RetryPolicy, broker_options, install
from rootcellar.retry import Rule

app = Celery("grid")
app.conf.update(
    **broker_options(Path("queue")),
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
)
patient = RetryPolicy().with_({Cause.NETWORK: Rule(max_retries=3, base_seconds=0.5)})
install(app, registry, policy=patient)


@app.task(name="model_electricity")
def model_electricity(
    model_name: dict[str, Any], weather_year: pa.Table, *, elec_data: Path = OUTPUT
) -> pa.Table:
    """Model one year of one grid."""
    return electricity(model_name, weather_year, base_load_mw(model_name))
