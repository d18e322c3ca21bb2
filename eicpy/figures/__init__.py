"""Figures: arrays in, Bokeh out. Objects on the floors above draw themselves with it (``.plot()``)."""
