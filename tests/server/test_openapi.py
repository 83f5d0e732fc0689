"""The OpenAPI that the page's types are made from is the one that the server tells."""

import json
from pathlib import Path

import pytest

from retouch.server.openapi import main, openapi_text

WRITTEN = Path(__file__).parents[2] / "web" / "openapi.json"


def test_the_written_one_is_up_to_date() -> None:
    if not WRITTEN.exists():
        pytest.skip("there is no web/openapi.json")
    assert json.loads(WRITTEN.read_text()) == json.loads(openapi_text()), "run: python -m retouch.server.openapi"


def test_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["openapi", str(tmp_path / "told.json")])
    main()
    told = json.loads((tmp_path / "told.json").read_text())
    operations = [operation for item in told["paths"].values() for operation in item.values()]
    assert len(operations) >= 35 and all("default" in operation["responses"] for operation in operations)
    open_to_all = [operation["operationId"] for operation in operations if not operation["security"]]
    assert open_to_all == ["login_api_v1_login_post"]
    assert openapi_text() == openapi_text()
