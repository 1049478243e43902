"""The document says what the application does, no more and no less."""

import re

from jsonschema import Draft202012Validator

from tests.api.conftest import Api
from webapp.web.error_responses import KINDS

NOT_DESCRIBED = {"/api/docs"}


def test_every_call_is_described_and_every_description_is_a_call(api: Api) -> None:
    routed = {
        (re.sub(r"<(?:.*?:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in api.app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.rule not in NOT_DESCRIBED
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    paths = api.document["paths"]
    assert routed == {(path, method) for path, methods in paths.items() for method in methods}


def test_operations_have_names_of_their_own_and_say_what_they_do(api: Api) -> None:
    calls = [call for methods in api.document["paths"].values() for call in methods.values()]
    names = [call["operationId"] for call in calls]
    assert len(set(names)) == len(names)
    for call in calls:
        assert call["summary"]
        parameters = [(p["in"], p["name"]) for p in call["parameters"]]
        assert len(set(parameters)) == len(parameters)


def test_every_schema_is_valid_and_every_reference_leads_somewhere(api: Api) -> None:
    schemas = api.document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    references = set(re.findall(r"'\$ref': '([^']+)'", str(api.document)))
    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    assert {"BookRequest", "Booked", "EventFields", "EventStatus", "Problem"} <= schemas.keys()


def test_the_four_calls_are_described_as_they_are_fixed(api: Api) -> None:
    schemas = api.document["components"]["schemas"]
    assert set(schemas["BookRequest"]["required"]) == {"userId", "eventId"}
    assert set(schemas["EventFields"]["required"]) == {"eventName", "totalTickets"}
    for path, status in (("initialize", "201"), ("book", "201"), ("cancel", "200")):
        assert status in api.document["paths"][f"/api/events/{path}"]["post"]["responses"]
    book = api.document["paths"]["/api/events/book"]["post"]
    assert book["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "Asked"
    )
    keep = api.document["paths"]["/api/bookings/{reference}/keep"]["post"]
    assert {"200", "400", "403", "404", "409"} <= set(keep["responses"])
    assert {"400", "401", "404", "409", "413", "415", "422", "429", "500", "503"} <= set(
        book["responses"]
    )


def test_document_is_the_same_until_the_application_changes(api: Api) -> None:
    tag = api.get("/openapi.json").headers["ETag"]
    assert api.get("/openapi.json", headers={"If-None-Match": tag}).status_code == 304


def test_readable_page_shows_every_call_and_every_error(api: Api) -> None:
    response = api.client.get("/api/docs")
    page = response.get_data(as_text=True)
    assert (response.status_code, response.mimetype) == (200, "text/html")
    for path in api.document["paths"]:
        assert path in page
    for code in KINDS:
        assert f'id="{code}"' in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_errors_lead_to_their_row_on_the_page(api: Api, organizer: dict[str, str]) -> None:
    body = {"userId": 1, "eventId": api.event(organizer)}
    problems = [
        api.post("/events/book", {}),
        api.post("/events/cancel", body),
        api.get("/nothing"),
        api.get("/events/book"),
        api.post("/events/book", data="x", content_type="text/plain"),
        api.post("/events/book", data=b"x" * 300_000, content_type="application/json"),
    ]
    for response in problems:
        problem = response.get_json()
        assert problem["type"].endswith(f"/api/docs#{problem['code']}")
        assert problem["code"] in KINDS
