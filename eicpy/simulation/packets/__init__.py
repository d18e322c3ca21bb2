"""What the camera sends: photons, housekeeping and messages as packets, and the faults of a link."""
