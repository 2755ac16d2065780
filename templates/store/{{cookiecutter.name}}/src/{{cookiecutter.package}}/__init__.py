"""The data store {{ cookiecutter.name }}: {{ cookiecutter.services.all | join(", ") }}."""
