"""The provider: packets of the archive to any reader, live and in playback, from any place."""
