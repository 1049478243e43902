"""The Flask extensions, made here and bound to the application in `create_app`."""

from flask_httpauth import HTTPBasicAuth, HTTPTokenAuth
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


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
csrf = CSRFProtect()
limiter = Limiter(key_func=get_remote_address)
basic_auth = HTTPBasicAuth(realm="Nextup")
token_auth = HTTPTokenAuth(scheme="Bearer", realm="Nextup")
