"""What people type and paste, for tests of where it goes in and where it comes out."""

# ruff: noqa: RUF001 - letters that look alike are the point

import unicodedata

from hypothesis import strategies as st

# What looks strange to a program and is meant.
MEANT = [
    "Fête 🎉 你好",
    "می\u200cخواهم",
    "PDF\u200cها",
    "क्\u200dष",
    "👩🏽\u200d🚀 ❤\ufe0f\u200d🔥 1\ufe0f⃣",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "葛\U000e0100城",
    "山田\u3000太郎",
    "שלום!\u200f",
    "สวัสดี\u200bครับ",
    "« Café ! »\u00a0?",
    "Zoë O’Neil-Łuk, Sr.; 50%_\\",
    "=?utf-8?q?x?= ?= =?",
    "Straße İstanbul ısı ŒUVRE",
]
STRANGE = (
    "\u200b\u200c\u200d\u200e\u00ad\u0301\u0335\u202e\u2066\u2069\u2028\ufe0f\ufeff\ufffc\u3000\u00a0"
    "\u115f\u1160\u3164\U000e0061\U000e007f\U0001f3f4\U000e0100\u0958"
)
_words = st.one_of(
    st.sampled_from(MEANT),
    st.text(min_size=1, max_size=12),
    st.text(st.sampled_from(STRANGE + 'ab é\t=?_-+@;,:"<>&\\'), min_size=1, max_size=12),
)
# Words in any order, with what stands between them; no control characters, no line breaks.
TYPED = (
    st.lists(_words, min_size=1, max_size=8)
    .map(" ".join)
    .map(lambda text: "".join(c for c in text if c == "\t" or c.isprintable() or ord(c) > 0x9F))
)


def unseen_within(text: str) -> str:
    """The text as it may be pasted: apart in accents, with what nobody sees around its words."""
    return f"\ufeff\u2068{unicodedata.normalize('NFD', text)}\u2069\u200b "
