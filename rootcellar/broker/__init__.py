"""The embedded broker: queues and results in a folder, for laptops, demos and tests."""

from rootcellar.broker.transport import ALIAS, broker_options, register_broker

__all__ = ["ALIAS", "broker_options", "register_broker"]
