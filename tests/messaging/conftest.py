"""A NATS server, and connections to it that break."""

from eicpy_fixtures.nats_servers import cutting_proxy, nats_server

__all__ = ["cutting_proxy", "nats_server"]
