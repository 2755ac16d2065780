"""The monolith's exceptions and the API's errors, paired. Yours.

Whoever calls the API gets the error; whoever calls the port in the monolith gets the exception, also when the service has
answered. `families` are the base classes whose every subclass has to be here. For example:

    ERRORS = ErrorMap(
        Pair(OutOfStock, FailedPrecondition, "OUT_OF_STOCK"),
        families=[ShopError],
    )
"""

from {{ cookiecutter.package }}.gen.runtime.acl.errors import ErrorMap

ERRORS = ErrorMap()
