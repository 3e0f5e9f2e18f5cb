"""A worker of an app on the embedded broker; see `rootcellar.testing.worker`."""

import sys

from rootcellar.testing.worker import main

main(sys.argv[1:])
