"""The same job with two decorators of one's own, as many teams have written them."""

import functools
import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pyarrow.csv
import pyarrow.parquet
from botocore.exceptions import EndpointConnectionError
from celery import Celery
from elec import base_load_mw, electricity

logger = logging.getLogger(__name__)
app = Celery("before")

BUCKET = "grid-data"
NEEDED = {
    "model_name": "models/{model_name}.json",
    "weather_year": "weather/{weather_year}.csv",
}
CREATED = {"elec_data": "results/elec/{model_name}/{weather_year}.parquet"}


def job_file_supplier(*, creates: tuple[str, ...]) -> Callable[..., Any]:
    """Download what the argument names ask for; upload what is created; clean up."""

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(body)
        def supplied(self: Any, **arguments: Any) -> None:
            bucket = boto3.resource("s3").Bucket(BUCKET)
            with tempfile.TemporaryDirectory() as folder:
                files = {name: Path(folder, name) for name in (*NEEDED, *creates)}
                for name in NEEDED.keys() & arguments.keys():
                    bucket.download_file(NEEDED[name].format(**arguments), str(files[name]))
                body(self, files=files, **arguments)
                for name in creates:
                    bucket.upload_file(str(files[name]), CREATED[name].format(**arguments))

        return supplied

    return decorate


def resilient_job(body: Callable[..., None]) -> Callable[..., None]:
    """Retry network errors, let deterministic errors fail, log when retries are exhausted."""

    @functools.wraps(body)
    def resilient(self: Any, **arguments: Any) -> None:
        try:
            body(self, **arguments)
        except (ConnectionError, TimeoutError, EndpointConnectionError) as error:
            if self.request.retries >= self.max_retries:
                logger.exception("%s: retries exhausted", self.name)
                raise
            raise self.retry(exc=error, countdown=2**self.request.retries) from error

    return resilient


@app.task(bind=True, max_retries=3)
@resilient_job
@job_file_supplier(creates=("elec_data",))
def model_electricity(
    self: Any, files: dict[str, Path], model_name: str, weather_year: int
) -> None:
    """Model one year of one grid."""
    model = json.loads(files["model_name"].read_text())
    weather = pyarrow.csv.read_csv(files["weather_year"])
    result = electricity(model, weather, base_load_mw(model))
    pyarrow.parquet.write_table(result, files["elec_data"])
