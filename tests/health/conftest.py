"""A simulated camera with known truth."""

from eicpy_fixtures.health_streams import archive, camera, stream

__all__ = ["archive", "camera", "stream"]
