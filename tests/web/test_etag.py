"""ETags of fragments and of the API's answers."""

from flask import Flask

from webapp.web.etag import answer_unless_known


def test_same_text_in_another_language_is_another_answer(app: Flask) -> None:
    with app.test_request_context():
        tags = [
            answer_unless_known(
                "17", content_type="text/html", cache_control="private", language=language
            ).headers["ETag"]
            for language in ("", "en", "de", "de")
        ]
    assert tags[2] == tags[3]
    assert len({*tags}) == 3
