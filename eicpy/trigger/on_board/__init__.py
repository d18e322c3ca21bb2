"""The camera's own search: photons counted, count rates and sky images searched, positions, alerts."""
