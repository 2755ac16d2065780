"""The session, and the types that this shop has made up."""

from decimal import Decimal

from sqlalchemy import Integer, MetaData, create_engine, event
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker
from sqlalchemy.types import TypeDecorator

Base = declarative_base(metadata=MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"}))
session = scoped_session(sessionmaker())


def set_up(app):
    engine = create_engine(app.config["DATABASE_URL"])
    if engine.dialect.name == "sqlite":
        lock_from_the_start(engine)
    session.remove()
    session.configure(bind=engine)
    app.engine = engine
    app.teardown_appcontext(lambda error: session.remove())

    @app.cli.command("init-db")
    def init_db():
        create_tables(engine)


def create_tables(engine):
    """Make every table, and the view, which the ORM does not know how to make."""
    from shop.store import carts, catalog, orders  # noqa: F401 - so that they are known

    Base.metadata.create_all(engine, tables=[t for t in Base.metadata.sorted_tables if not t.info.get("is_view")])
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW IF EXISTS sales_by_product")
        connection.exec_driver_sql(
            "CREATE VIEW sales_by_product AS SELECT sku, SUM(quantity) AS pieces FROM order_line GROUP BY sku"
        )


def lock_from_the_start(engine):
    """A writer waits for another one: SQLAlchemy's own recipe for SQLite and its driver's way with transactions."""

    @event.listens_for(engine, "connect")
    def leave_it_to_us(connection, record):
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout = 20000")

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


class Cents(TypeDecorator):
    """A Decimal that is kept as whole cents."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else int(Decimal(value) * 100)

    def process_result_value(self, value, dialect):
        return None if value is None else Decimal(value) / 100


class IntEnum(TypeDecorator):
    """A member of an enum that is kept as its number."""

    impl = Integer
    cache_ok = True

    def __init__(self, enum_class):
        super().__init__()
        self.enum_class = enum_class

    def process_bind_param(self, value, dialect):
        return None if value is None else int(value)

    def process_result_value(self, value, dialect):
        return None if value is None else self.enum_class(value)
