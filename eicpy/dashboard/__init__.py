"""Figures, the live page of the camera, and the server that shows both in a browser.

The room is entered by its modules: :mod:`~eicpy.dashboard.figures` draws, :mod:`~eicpy.dashboard.camera`
is the live page, :mod:`~eicpy.dashboard.serve` starts the server. Importing the room itself costs nothing.
"""
