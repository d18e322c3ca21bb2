"""From packets to photons, housekeeping, spectra and commands, by the instrument's own tables."""
