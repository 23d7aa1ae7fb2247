"""When a Flask application starts: at once, when it begins to serve, or never.

Never in a command of ours or of Flask's but ``flask run``, nor where a reloader only watches files.
A script may do that in ``app.run``: it waits for that, or for a request. All others start at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import click
from flask import Flask, cli, helpers
from werkzeug.serving import is_running_from_reloader

from . import OURS


def arrange(app: Flask, start: Callable[[], None]) -> None:
    """Call ``start`` now, in ``app.run`` or at the first request, or never; it may raise."""
    context, serves = click.get_current_context(silent=True), is_running_from_reloader()
    script = Path(getattr(sys.modules.get("__main__"), "__file__", None) or __file__).resolve()
    if context and (OURS in context.meta or context.find_object(cli.ScriptInfo)):
        reloads = {None: helpers.get_debug_flag(), True: True}.get(context.params.get("reload"))
        return start() if context.command.name == "run" and (serves or not reloads) else None
    if serves or not Path(app.root_path).resolve().is_relative_to(script.parent):
        return start()
    once, lock, serve, run = cache(start), Lock(), app.wsgi_app, app.run  # no error is cached

    def wsgi_app(*request: Any) -> Any:
        with lock:
            once()
        return serve(*request)

    def run_app(*values: Any, **named: Any) -> None:
        debug = named.get("debug", *values[2:3])
        if not named.get("use_reloader", app.debug if debug is None else debug):
            once()
        run(*values, **named)

    app.wsgi_app, app.run = wsgi_app, run_app  # type: ignore[method-assign, assignment]
