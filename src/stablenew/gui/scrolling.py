"""Scrollbars that are there only while there is something to scroll, and wheels that change no value by accident."""

from __future__ import annotations

import tkinter
from typing import Protocol, cast

import ttkbootstrap as ttk

from stablenew.gui.focus import holds
from stablenew.gui.theme import Theme


class Scrollable(Protocol):
    """What a Treeview, a Text and a Canvas have in common."""

    master: tkinter.Misc

    def yview(self, *args: object) -> object: ...

    def configure(self, **options: object) -> object: ...

    def grid(self, **options: object) -> object: ...


def scrolled(widget: object) -> None:
    """Fill the widget's parent with it and a scrollbar beside it, which takes its room only while it is needed."""
    view = cast(Scrollable, widget)
    holder = view.master
    holder.columnconfigure(0, weight=1)
    holder.rowconfigure(0, weight=1)
    bar = ttk.Scrollbar(holder, orient="vertical", command=view.yview)

    def show(first: str, last: str) -> None:
        bar.set(first, last)
        if float(first) <= 0 and float(last) >= 1:
            bar.grid_remove()
        else:
            bar.grid(row=0, column=1, sticky="ns")

    view.configure(yscrollcommand=show)
    view.grid(row=0, column=0, sticky="nsew")


class ScrollArea(ttk.Frame):
    """Put what may be too tall into `body`. The wheel scrolls it, and a field that gets the focus comes into view."""

    def __init__(self, master: tkinter.Misc, theme: Theme) -> None:
        super().__init__(master)
        self._theme = theme
        # A grid that asks for one pixel is not arranged anew when the scrollbar goes (Tk 8.6): it must ask for two.
        self._canvas = tkinter.Canvas(self, highlightthickness=0, borderwidth=0, width=2, height=2, yscrollincrement=1)
        self.body = ttk.Frame(self._canvas)
        self._inside = self._canvas.create_window(0, 0, anchor="nw", window=self.body)
        scrolled(self._canvas)
        self._canvas.bind("<Configure>", self._fit)
        self.body.bind("<Configure>", self._fit)
        for sequence in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
            self.winfo_toplevel().bind(sequence, self._wheel, add="+")
        self.winfo_toplevel().bind("<FocusIn>", self._reveal, add="+")
        self.recolour()

    def recolour(self) -> None:
        """Take the theme's colours."""
        self._canvas.configure(background=self._theme.palette.background)

    def _fit(self, _: object) -> None:
        self._canvas.itemconfigure(self._inside, width=self._canvas.winfo_width())
        height = max(self.body.winfo_reqheight(), self._canvas.winfo_height())
        self._canvas.configure(scrollregion=(0, 0, self._canvas.winfo_width(), height))

    def _wheel(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if not self._holds(event.widget) or self._canvas.yview() == (0.0, 1.0):
            return
        up = event.num == 4 or event.delta > 0  # X11 tells the wheel by button, the others by delta
        self._canvas.yview_scroll(-self._theme.px(40) if up else self._theme.px(40), "units")

    def _reveal(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if not self._holds(event.widget) or event.widget is self._canvas:
            return
        top = event.widget.winfo_rooty() - self.body.winfo_rooty()
        bottom = top + event.widget.winfo_height()
        seen, height = self._canvas.canvasy(0), self._canvas.winfo_height()
        total = max(1, self.body.winfo_reqheight())
        if top < seen:
            self._canvas.yview_moveto(max(0, top - self._theme.px(16)) / total)
        elif bottom > seen + height:
            self._canvas.yview_moveto((bottom - height + self._theme.px(16)) / total)

    def _holds(self, widget: object) -> bool:
        return isinstance(widget, tkinter.Misc) and holds(self, widget)


def calm_wheel(root: tkinter.Misc) -> None:
    """Over a field the wheel scrolls what the field is in, and never changes the field's value."""
    for kind in ("TCombobox", "TSpinbox"):
        for sequence in ("<MouseWheel>", "<Button-4>", "<Button-5>", "<Shift-MouseWheel>"):
            root.unbind_class(kind, sequence)
