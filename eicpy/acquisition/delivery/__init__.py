"""Handing packets on: to a pipe, in any language, and to other hosts over a bus."""
