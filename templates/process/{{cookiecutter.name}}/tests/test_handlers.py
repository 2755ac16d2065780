"""Your tests of the handlers: they are functions, so call them; no server is needed."""

{{ cookiecutter.test_imports }}


{{ cookiecutter.test_body }}
