"""The provider: packets of the archive for any reader, live and in playback, from any position."""
