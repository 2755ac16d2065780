"""How {{ cookiecutter.name }} is put together. Yours. A Repository keeps one row for each resource, the message's own bytes in it: honest
for a prototype, and rows survive every compatible change of the proto. For a schema of your own put a class with the
same methods in its place, here in build(): the handlers do not notice.
"""

{{ cookiecutter.app_imports }}


@dataclass(frozen=True)
class App:
    """What handlers work with, as `context.app`."""
{% for field in cookiecutter.app_fields.all %}
{% if loop.first %}

{% endif %}
    {{ field }}
{% endfor %}


Context = Call[App]


def build(settings: Settings) -> App:
    """Open what the handlers need; called once, before serving."""
{% if cookiecutter.app_fields.all %}
    database = settings.database()
{% endif %}
    {{ cookiecutter.app_build }}


def interceptors(settings: Settings) -> Sequence[Interceptor]:
    """Server interceptors, outermost first: authentication, tenancy, limits."""
    return ()
