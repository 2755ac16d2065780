"""Your tests of the handlers: they are functions, so call them; no server is needed."""
{% if cookiecutter.test_body %}

{{ cookiecutter.test_imports }}


{{ cookiecutter.test_body }}
{% endif %}
