"""When a Flask application starts: at once, when it begins to serve, or not at all.

Enters: an application, and what is to be done at its start. Leaves: that done, or waiting in
``app.run`` and ``app.wsgi_app``. Imports no database code.

An application is also loaded to be looked at (``flask shell``, ``flask --help``, the command line),
and by the process that only watches files for a reloader. There it never starts.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from flask import Flask
from flask.cli import ScriptInfo
from flask.helpers import get_debug_flag
from werkzeug.serving import is_running_from_reloader

from ..errors import ModelsNotFound
from .cli import main

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def arrange(app: Flask, start: Callable[[], None]) -> None:
    """Call ``start`` now, in ``app.run`` or at the first request, or never.

    Raises what ``start`` raises.
    """
    moment = _moment(app)
    if moment == "serving":
        _start_when_serving(app, _Once(start))
    elif moment == "now":
        try:
            start()
        except ModelsNotFound as error:
            raise ModelsNotFound(
                f"{error} If it is still being imported, call init_app after its models."
            ) from error


def _moment(app: Flask) -> Literal["now", "serving", "never"]:
    """Tell when to start in this process; tests/test_flask_start.py runs each kind of it.

    A script may call ``app.run(debug=True)``, whose first process only watches files. Nothing
    tells that before the call, so a script waits for it, or for its first request.
    """
    context = click.get_current_context(silent=True)
    if any(each.command is main for each in _chain(context)):
        return "never"
    if context is not None and context.find_object(ScriptInfo) is not None:
        return "now" if _is_serving(context) else "never"
    return "serving" if _is_script(app) else "now"


def _chain(context: click.Context | None) -> Iterator[click.Context]:
    while context is not None:
        yield context
        context = context.parent


def _is_serving(context: click.Context) -> bool:
    """Tell whether a command of Flask's goes on to serve, in this process."""
    if context.command.name != "run":
        return False
    reloads = context.params.get("reload")
    reloads = get_debug_flag() if reloads is None else reloads
    return is_running_from_reloader() or not reloads


def _is_script(app: Flask) -> bool:
    """Tell whether the program that runs is a script beside or above the application.

    Servers and test runners are programs elsewhere, which import the application.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is None:
        return False
    return Path(app.root_path).resolve().is_relative_to(Path(script).resolve().parent)


def _start_when_serving(app: Flask, start: _Once) -> None:
    serve, run = app.wsgi_app, app.run

    def wsgi_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start()
        return serve(environ, start_response)

    def run_app(*args: Any, **options: Any) -> None:
        if not _reloads(app, *args, **options):
            start()
        run(*args, **options)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    app.run = run_app  # type: ignore[method-assign]


def _reloads(
    app: Flask, host: Any = None, port: Any = None, debug: bool | None = None, **options: Any
) -> bool:
    """Tell whether ``app.run`` with these arguments leaves the serving to another process."""
    reloads = options.get("use_reloader", app.debug if debug is None else debug)
    return bool(reloads) and not is_running_from_reloader()


class _Once:
    """A call that is made once; threads wait for it, and where it raises the next one tries."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call, self._lock, self._is_done = call, threading.Lock(), False

    def __call__(self) -> None:
        with self._lock:
            if not self._is_done:
                self._call()
                self._is_done = True
