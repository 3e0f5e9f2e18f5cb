"""Many small exchanges by one thread: what is clean comes, all else is handed back."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_wire import Script, certificate

from rootcellar.staging.pipeline import pipelined
from rootcellar.staging.stores import wire_many as wire_many_module
from rootcellar.staging.stores.endpoint import Endpoint
from rootcellar.staging.stores.wire import FileSlice, Request, Wire
from rootcellar.staging.stores.wire_many import MOST_BYTES, exchange_many
