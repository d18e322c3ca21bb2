"""Processors to test with; found as ``examples.py:name``."""

import os
import time


def numbers(batch, context):
    """Write the sequence count of each packet, a line each."""
    context.output("numbers.txt").write("".join(f"{count}\n" for count in batch.index.sequence_count))


def raw(batch, context, *, delay: float = 0.0):
    """Copy the packets themselves."""
    output = context.output("packets.ccsds")
    for _, packet in batch.packets():
        if delay:
            time.sleep(delay)
        output.write(packet)


def failing(batch, context, *, at: int):
    """Do not digest one packet."""
    for count in batch.index.sequence_count.tolist():
        if count == at:
            raise ValueError("not this one")
        context.output("numbers.txt").write(f"{count}\n")


class Sums:
    """Remember a sum, and tell it."""

    packets = 7

    def __init__(self, *, threshold: int = 0, title: str = "sums") -> None:
        self.threshold, self.title = threshold, title

    def begin(self, context):
        self.context = context
        context.output("steps.txt").write("begin\n")

    def process(self, batch):
        assert len(batch) <= self.packets
        high = int((batch.photons.channel >= self.threshold).sum())
        state = self.context.state
        state["photons"] = state.get("photons", 0) + high
        self.context.report(photons=state["photons"], mean=batch.photons.channel.mean())

    def end_run(self, run):
        self.context.output("steps.txt").write(f"run {run.number}: {self.context.state['photons']}\n")

    def end(self):
        self.context.output("steps.txt").write("end\n")


class Ordered:
    """Write down what is called."""

    def begin(self, context):
        self.steps = context.output("steps.txt")

    def process(self, batch):
        self.steps.write(f"{len(batch)} ")

    def save(self):
        self.steps.write("save ")

    def end(self):
        self.steps.write("end")


def dying(batch, context):
    """Kill the process, as a bug in compiled code would."""
    os.abort()
