"""How {{ cookiecutter.name }} is put together. Yours: the place for authentication, tenancy, vendors and options."""

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
{% if cookiecutter.uses.all %}
    connect = settings.connect  # address and time-outs from the environment
{% endif %}
    {{ cookiecutter.app_build }}


def interceptors(settings: Settings) -> Sequence[Interceptor]:
    """Server interceptors, outermost first: authentication, tenancy, limits."""
    return ()
