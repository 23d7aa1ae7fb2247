"""A small web application on the newest models: agents, their sessions and tasks.

It brings its database up to the models whenever it starts, from any earlier release. Run it with
`make serve`, or under gunicorn: `gunicorn 'examples.kagent.app:create_app()'`. DATABASE_URL says
where its data is; FLASK_AUTOMIGRATE_ON_START=check refuses to start instead of migrating.
"""

import logging
import os

from flask import Flask, abort, jsonify, redirect, render_template_string, request
from peewee import IntegrityError
from playhouse.db_url import connect
from playhouse.flask_utils import FlaskDB

from peewee_automigrate.flask import AutoMigrate

from . import v3

KINDS = {"agents": v3.Agent, "sessions": v3.Session, "tasks": v3.Task}
KEPT = {"created_at", "updated_at", "deleted_at"}  # Not for the client to set.
SHOWN = 100

PAGE = """<!doctype html>
<html lang="en">
<title>Agents</title>
<h1>Agents</h1>
{% for kind, (names, rows) in tables.items() %}
<h2>{{ kind }}</h2>
<form method="post" action="/{{ kind }}">
  {% for name in names %}<input name="{{ name }}" placeholder="{{ name }}">{% endfor %}
  <button>add</button>
</form>
<table>
  <tr>{% for name in names %}<th>{{ name }}</th>{% endfor %}</tr>
  {% for row in rows %}
  <tr>{% for name in names %}<td>{{ "" if row[name] is none else row[name] }}</td>{% endfor %}</tr>
  {% endfor %}
</table>
{% endfor %}
"""


def create_app():
    """Make the application; its tables are up to date when this returns."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app = Flask(__name__)
    app.config["AUTOMIGRATE_ON_START"] = "migrate"
    app.config.from_prefixed_env()
    url = os.environ.get("DATABASE_URL", "sqlite:///kagent.db")
    database = FlaskDB(app, connect(url, unquote_password=True)).database
    database.bind(KINDS.values())
    AutoMigrate(app, database, v3)
    app.get("/")(show_page)
    app.post("/<kind>")(add_by_form)
    app.get("/api/<kind>")(show_rows)
    app.post("/api/<kind>")(add_row)
    return app


def show_page():
    tables = {kind: (settable(model), rows(model)) for kind, model in KINDS.items()}
    return render_template_string(PAGE, tables=tables)


def show_rows(kind):
    return jsonify(rows(model_of(kind)))


def add_row(kind):
    values = request.get_json()
    if not isinstance(values, dict):
        abort(400, "give an object")
    return jsonify(shown(add(model_of(kind), values))), 201


def add_by_form(kind):
    add(model_of(kind), {name: value for name, value in request.form.items() if value})
    return redirect("/")


def model_of(kind):
    return KINDS.get(kind) or abort(404, f"{kind}: not one of {', '.join(KINDS)}")


def settable(model):
    return [name for name in model._meta.sorted_field_names if name not in KEPT]


def rows(model):
    """Return the newest rows that are not deleted, as JSON-ready dicts."""
    found = model.select().where(model.deleted_at.is_null())
    return [shown(row) for row in found.order_by(model.created_at.desc(nulls="last")).limit(SHOWN)]


def shown(row):
    values = {name: getattr(row, name) for name in row._meta.sorted_field_names}
    return values | {name: values[name] and str(values[name]) for name in KEPT}


def add(model, values):
    """Write a row, or refuse what the model does not take."""
    unknown = sorted(set(values) - set(settable(model)))
    if unknown:
        abort(400, f"unknown: {', '.join(unknown)}")
    try:
        with model._meta.database.atomic():
            return model.create(**values)
    except IntegrityError as error:
        abort(409, f"refused: {error}")
