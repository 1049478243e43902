"""Scripts of other origins: none may read, unless the settings name them."""

from collections.abc import Callable

from tests.api.conftest import Api

ORIGIN = "https://tickets.example.org"
ALLOW = "Access-Control-Allow-Origin"


def test_no_origin_is_allowed_by_default(api: Api) -> None:
    answers = [
        api.get("/events", headers={"Origin": ORIGIN}),
        api.client.options("/api/events/book", headers={"Origin": ORIGIN}),
    ]
    for response in answers:
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_listed_origin_may_read_answers_and_errors(make_api: Callable[..., Api]) -> None:
    api = make_api(CORS_ORIGINS=f"{ORIGIN}, http://127.0.0.1:8000")
    headers = {"Origin": ORIGIN}
    for path in ("/events", "/nothing", "/events/book", "/bookings/x"):
        response = api.get(path, headers=headers)
        assert response.headers[ALLOW] == ORIGIN
        assert "X-RateLimit-Remaining" in response.headers["Access-Control-Expose-Headers"]
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_origin_that_is_not_listed_is_told_nothing(make_api: Callable[..., Api]) -> None:
    api = make_api(CORS_ORIGINS=ORIGIN)
    for origin in ("https://evil.example", ORIGIN + ".evil.example", "null", "http" + ORIGIN[5:]):
        response = api.get("/events", headers={"Origin": origin})
        assert response.status_code == 200
        assert ALLOW not in response.headers
        assert "Origin" in response.headers["Vary"]


def test_preflight_is_answered_and_costs_nothing(make_api: Callable[..., Api]) -> None:
    api = make_api(CORS_ORIGINS=ORIGIN, RATELIMIT_DEFAULT="1 per minute")
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }
    for _ in range(3):
        response = api.client.options("/api/events/book", headers=headers)
        assert response.status_code == 200
        assert response.headers[ALLOW] == ORIGIN
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
        assert {"authorization", "content-type", "idempotency-key"} <= set(allowed.split(", "))
    assert api.get("/events").status_code == 200


def test_pages_are_never_shared(make_api: Callable[..., Api]) -> None:
    api = make_api(CORS_ORIGINS=ORIGIN)
    assert ALLOW not in api.client.get("/healthz", headers={"Origin": ORIGIN}).headers
