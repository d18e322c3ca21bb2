"""Live pages: the camera, the quick look and the monitor, each opened by a notebook of one line."""
