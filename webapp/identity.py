"""How processes of one installation know each other: by the secret key, which is never shown.

`flask doctor` asks whatever answers at BASE_URL. Only who has the key can ask so that it is
answered, and only who has the key can answer.
"""

import hmac
import json
import secrets
from typing import Any

ASK, ANSWER = "X-Nextup-Ask", "X-Nextup-Answer"
LONGEST_ASK = 200


def question(secret_key: str) -> str:
    """A new question, for the header `ASK`."""
    nonce = secrets.token_hex(16)
    return f"{nonce}.{_signed(secret_key, 'ask', nonce)}"


def is_ours(asked: str, secret_key: str) -> bool:
    """Whether the question was asked with our key."""
    nonce, _, signature = asked.partition(".")
    if len(asked) > LONGEST_ASK or not asked.isascii():
        return False
    return hmac.compare_digest(signature, _signed(secret_key, "ask", nonce))


def answer(asked: str, secret_key: str, facts: dict[str, Any]) -> str:
    """The answer to a question of ours, with facts, for the header `ANSWER`."""
    told = json.dumps(facts)
    return f"{_signed(secret_key, 'answer', asked + told)} {told}"


def facts_of(answered: str, asked: str, secret_key: str) -> dict[str, Any] | None:
    """The facts of an answer to that question; none where somebody without the key gave it."""
    signature, _, told = answered.partition(" ")
    right = _signed(secret_key, "answer", asked + told)
    if not hmac.compare_digest(signature.encode(), right.encode()):
        return None
    facts: dict[str, Any] = json.loads(told)
    return facts


def _signed(secret_key: str, purpose: str, text: str) -> str:
    # Not what anything else is signed with.
    message = f"nextup doctor {purpose} {text}"
    return hmac.digest(secret_key.encode(), message.encode(), "sha256").hex()
