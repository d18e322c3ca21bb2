"""The run archive: one folder a run, its raw bytes as received, and what is known about them."""
