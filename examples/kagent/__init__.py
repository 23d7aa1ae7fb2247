"""The tables of an agent platform as they really evolved (kagent-dev/kagent), as Peewee models.

v1: release 0.6.1, v2: 0.6.20, v3: 0.8.0. Each module is what `models.py` was at that release.
`app` is a small web application on the newest.
"""
