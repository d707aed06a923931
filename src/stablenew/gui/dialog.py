"""Small windows over the main one that wait for nobody: an answer calls back, Escape puts them away."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence

import ttkbootstrap as ttk

from stablenew.gui.theme import Theme


class Dialog(ttk.Toplevel):
    """A small window in the middle of the main one. Return presses its first button, Escape its last."""

    def __init__(self, master: tkinter.Misc, theme: Theme, title: str) -> None:
        super().__init__(title=title, master=master.winfo_toplevel())
        self.withdraw()
        self.theme = theme
        self.configure(background=theme.palette.border)  # shows as a line around the inside
        inside = ttk.Frame(self)
        inside.pack(fill="both", expand=True, padx=1, pady=1)
        self.body = ttk.Frame(inside, padding=theme.px(16))
        self.body.pack(fill="both", expand=True)
        self._buttons = ttk.Frame(inside, padding=(theme.px(16), 0, theme.px(16), theme.px(16)))
        self._buttons.pack(fill="x", side="bottom")
        self.bind("<Escape>", lambda _: self.destroy())

    def add_buttons(self, buttons: Sequence[tuple[str, Callable[[], None]]], *, cancel: bool = True) -> None:
        """The buttons from the right, the one that Return presses first; Cancel comes by itself."""
        for number, (text, command) in enumerate(buttons):
            style = "primary" if number == 0 else "neutral"
            button = ttk.Button(self._buttons, text=text, command=command, bootstyle=style)
            button.pack(side="right", padx=(self.theme.px(8), 0))
        if cancel:
            ttk.Button(self._buttons, text="Cancel", command=self.destroy).pack(side="right")
        self.bind("<Return>", lambda _: buttons[0][1]())

    def show(self, focus: tkinter.Misc | None = None) -> None:
        """Show the window over the middle of the main one, with the focus where it is said."""
        self.update_idletasks()
        main = self.master.winfo_toplevel()
        x = main.winfo_rootx() + (main.winfo_width() - self.winfo_reqwidth()) // 2
        y = main.winfo_rooty() + (main.winfo_height() - self.winfo_reqheight()) // 3
        self.geometry(f"+{max(0, x)}+{max(0, y)}")
        self.transient(main)
        self.deiconify()
        self.lift()
        (focus or self).focus_force()


def ask_line(
    master: tkinter.Misc, theme: Theme, *, title: str, question: str, button: str, then: Callable[[str], None]
) -> Dialog:
    """Ask for a line of text; `then` is called with it where one is given."""
    dialog = Dialog(master, theme, title)
    text = tkinter.StringVar(dialog)
    ttk.Label(dialog.body, text=question, wraplength=theme.px(360), justify="left").pack(anchor="w")
    entry = ttk.Entry(dialog.body, textvariable=text, width=40)
    entry.pack(fill="x", pady=(theme.px(8), 0))

    def answer() -> None:
        said = text.get().strip()
        if said:
            dialog.destroy()
            then(said)

    dialog.add_buttons([(button, answer)])
    dialog.show(entry)
    return dialog
