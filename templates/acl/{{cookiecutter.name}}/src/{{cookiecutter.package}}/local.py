"""The port over the monolith's own code. Yours, and the only module here that imports its models.

Raise the errors of `gen/runtime/common/errors.py` (NotFound, InvalidArgument …), or exceptions of the monolith that
`errors.py` pairs with them. Read with few queries: `select_related` and `prefetch_related`, not one query for each row.
"""
{% if cookiecutter.streams.all %}

from collections.abc import {{ cookiecutter.streams.all | join(", ") }}
{% endif %}

{{ cookiecutter.typing }}
from {{ cookiecutter.package }}.gen.runtime.common.errors import HandlerPending

# The models that are behind it:
{% for line in cookiecutter.imports.all %}
#   {{ line | replace("\n", "\n#   ") }}
{% endfor %}


class Local:
    """The monolith answers."""
{% for method in cookiecutter.methods.all %}

{{ method }}
{% endfor %}
