"""The anti-corruption layer between the monolith and {{ cookiecutter.services.all | join(", ") }}."""
