"""How the monolith's models and the API's types belong together. Yours; `scaffold acl check` says what is missing.

Each field is exactly one of

    src("column")                          the column; to=, back=, null=, values=, zone= say what happens to its values
    computed(function, uses=["column"])    what a function makes of the row
    const(value)                           the same in every message
    ignore("reason", until="2027-03-31")   empty, for a reason, and not for ever

and every column is used, or left behind: drop("column", reason="…"). A function without back= says why: one_way="…".
What `scaffold new acl` proposes is a todo(…), and does not pass: that two names are equal is no reason for anything.
"""

{% if cookiecutter.translators.all %}
from {{ cookiecutter.package }}.gen import port
{% endif %}
from {{ cookiecutter.package }}.gen.translation import {{ cookiecutter.words }}
{% for text in cookiecutter.translators.all %}

{{ text }}
{% endfor %}

{{ cookiecutter.translation }}
