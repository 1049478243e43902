"""The Flask extensions, made here and bound to the application in `create_app`."""

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from flask import Flask, current_app
from flask_httpauth import HTTPBasicAuth, HTTPTokenAuth
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

Kept = TypeVar("Kept")


class PerApp(Generic[Kept]):
    """What a process keeps in memory, for each application apart.

    Every database gives out the same ids: what is known of one means nothing in another.
    """

    def __init__(self, make: Callable[[], Kept]) -> None:
        self._make = make
        self._kept: WeakKeyDictionary[Flask, Kept] = WeakKeyDictionary()

    @property
    def own(self) -> Kept:
        """That of the application that is running; made when it is first asked for."""
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        kept = self._kept.get(app)
        return self._kept.setdefault(app, self._make()) if kept is None else kept

    def clear(self) -> None:
        """Forget it, for every application."""
        self._kept.clear()


class Base(DeclarativeBase):
    """Every constraint has a predictable name, so that a migration can drop it on any database."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)
migrate = Migrate(db=db)
basic_auth = HTTPBasicAuth(realm="Nextup")
token_auth = HTTPTokenAuth(scheme="Bearer", realm="Nextup")
