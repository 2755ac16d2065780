"""The key of a write, on its way."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st
from runtime.acl.calls import as_header

KEYS = st.text(st.characters(), max_size=1500)


@given(KEYS)
@example("\ud800")
@example("x" * 1025)
@example(" %20 ")
def test_any_key_is_a_header_and_none_is_another_ones(key: str) -> None:
    """Either it can be read back, so that no two are alike, or it is a digest."""
    header = as_header(key)
    assert header.isascii() and header.isprintable() and " " not in header and len(header) <= 1024
    assert unquote(header, errors="surrogatepass") == key or (len(header), len(key) > 100) == (64, True)


@given(st.from_regex(r"[!-$&-~]{1,200}", fullmatch=True))
def test_what_is_a_header_already_stays_as_it_is(key: str) -> None:
    assert as_header(key) == key
