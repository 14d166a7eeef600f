"""Other programs beside the daemon: each has its own venv, and minutes to spend."""
