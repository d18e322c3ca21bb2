"""Dialogues of the monitor: who gives an order and with what values, and whether to stop the chain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

__all__ = ["Ask", "Choice", "Choose", "Question"]


@dataclass(frozen=True)
class Ask:
    """A question of a dialogue.

    Parameters
    ----------
    title
        What will be done.
    note
        What that means.
    do
        Word on the button that does it.
    fields
        What is written, by name; the title of each and what stands there at first.
    required
        Names of the fields that must not be empty.
    """

    title: str
    note: str
    do: str
    fields: Mapping[str, tuple[str, str]]
    required: frozenset[str] = frozenset({"by"})


class Question(ModalScreen[dict[str, str] | None]):
    """Asks for a few texts; answers with them by name, or None where the operator cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "cancel", "Cancel")]

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask

    def compose(self) -> ComposeResult:
        """Lay the fields out under the title."""
        with Vertical(id="dialogue"):
            yield Label(self._ask.title, id="dialogue-title")
            yield Label(self._ask.note, id="dialogue-note")
            for name, (title, text) in self._ask.fields.items():
                with Horizontal(classes="field"):
                    yield Label(title)
                    yield Input(text, id=f"field-{name}", max_length=200 if name == "by" else 2000)
            yield Label("", id="dialogue-missing")
            with Horizontal(id="buttons"):
                yield Button(self._ask.do, id="do", variant="primary")
                yield Button("Cancel (Esc)", id="cancel")

    def on_mount(self) -> None:
        """Focus the first field that is still empty."""
        inputs = list(self.query(Input))
        next((field for field in inputs if not field.value), inputs[-1]).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field; from the last one, submit."""
        inputs = list(self.query(Input))
        at = inputs.index(event.input)
        if at + 1 < len(inputs):
            inputs[at + 1].focus()
        else:
            self._finish()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Submit or cancel."""
        if event.button.id == "do":
            self._finish()
        else:
            self.dismiss(None)

    def action_cancel(self) -> None:
        """Leave without an order."""
        self.dismiss(None)

    def _finish(self) -> None:
        texts = {name: self.query_one(f"#field-{name}", Input).value.strip() for name in self._ask.fields}
        for name in self._ask.fields:
            if name in self._ask.required and not texts[name]:
                self.query_one("#dialogue-missing", Label).update(f"{self._ask.fields[name][0]}: not empty")
                self.query_one(f"#field-{name}", Input).focus()
                return
        self.dismiss(texts)


@dataclass(frozen=True)
class Choice:
    """One of the answers to choose from."""

    key: str
    name: str
    label: str
    variant: str = "default"


class Choose(ModalScreen[str | None]):
    """Offers a few answers, each with a key; None where the operator cancelled.

    Parameters
    ----------
    title, note
        What is asked, and what it means.
    choices
        The answers; the first has the focus.
    """

    def __init__(self, title: str, note: str, choices: tuple[Choice, ...]) -> None:
        super().__init__()
        self._title = title
        self._note = note
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Lay the answers out under the title."""
        with Vertical(id="dialogue"):
            yield Label(self._title, id="dialogue-title")
            yield Label(self._note, id="dialogue-note")
            with Horizontal(id="buttons"):
                for choice in self._choices:
                    yield Button(f"{choice.label} ({choice.key})", id=choice.name)
                yield Button("Stay (Esc)", id="stay")

    def on_mount(self) -> None:
        """Bind the keys."""
        self._bindings.bind("escape", "answer('stay')")
        for choice in self._choices:
            self._bindings.bind(choice.key, f"answer('{choice.name}')")
        self.query(Button).first().focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.action_answer(event.button.id or "stay")

    def action_answer(self, name: str) -> None:
        """Answer."""
        self.dismiss(None if name == "stay" else name)
