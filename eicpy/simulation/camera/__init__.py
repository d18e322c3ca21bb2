"""The camera: what its own matter adds, what its crystals make of light, photon after photon."""
