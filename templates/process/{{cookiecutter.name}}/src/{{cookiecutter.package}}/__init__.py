"""The business process {{ cookiecutter.name }}: {{ cookiecutter.services.all | join(", ") }}."""
