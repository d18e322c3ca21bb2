"""Whether the camera would have seen it: count-rate and image trigger, and the search on the ground."""
