"""What tests of projects with rootcellar need besides the fixtures: real workers, and faults."""

from rootcellar.testing.fault_proxy import FaultProxy
from rootcellar.testing.faults import Fault, Match
from rootcellar.testing.proxied import ProxiedRequest
from rootcellar.testing.worker import (
    Worker,
    app_named,
    folder_worker_command,
    pointed,
    running_worker,
)

__all__ = [
    "Fault",
    "FaultProxy",
    "Match",
    "ProxiedRequest",
    "Worker",
    "app_named",
    "folder_worker_command",
    "pointed",
    "running_worker",
]
