"""The window's tabs, one file each; `gui/main_window.py` lists them and says what a tab is."""
