"""What shines: diffuse light, sources, bursts; and where the camera looks."""

from eicpy.moved import moved_names

__getattr__ = moved_names(__name__)
