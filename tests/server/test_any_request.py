"""Requests that schemathesis makes up of the OpenAPI: none breaks the server, and each is answered as it says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.server.place import Place, names_in
from tests.server.test_ownership import ROWS

FEW, MANY = 4, 60
ROUTES = [*ROWS, "POST /api/v1/login"]
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def described(place: Place) -> Any:
    """The OpenAPI of a server whose streams end as soon as they have begun."""
    place.app.state.events.close()
    return schemathesis.openapi.from_url(f"{place.address}/openapi.json")


@pytest.mark.parametrize("route", ROUTES)
def test_a_few(place: Place, described: Any, route: str) -> None:
    try_out(place, described, route, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES)
def test_many(place: Place, described: Any, route: str) -> None:
    try_out(place, described, route, MANY)


def try_out(place: Place, described: Any, route: str, count: int) -> None:
    """Send that many requests to a route, every other one about things that are there."""
    method, path = route.split()
    known = names_in(path, place.things())
    headers = dict(place.clients["owner"].headers)
    shown = {"Authorization": headers["authorization"]}
    number = 0

    @settings(max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=SLOW)
    @given(case=described[path][method].as_strategy())
    def about(case: Any) -> None:
        nonlocal number
        number += 1
        if number % 2:
            case.path_parameters = {name: known.get(name, "x") for name in case.path_parameters or {}}
        case.call_and_validate(headers=shown, checks=CHECKS, timeout=30)

    about()
