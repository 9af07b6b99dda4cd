"""The masking of a stream: whatever the pieces it comes in, no secret is in what goes out."""

from __future__ import annotations

from hypothesis import example, given, settings, strategies as st

from penstock.secrets.pumping import Masking

LETTERS = st.text(alphabet="ab*", min_size=0, max_size=40).map(str.encode)
MANY = 200
FORMS = st.lists(st.text(alphabet="ab", min_size=2, max_size=6).map(str.encode), min_size=1, max_size=3)


def pumped(forms: list[bytes], pieces: list[bytes]) -> bytes:
    masking = Masking()
    masking.use(sorted(set(forms), key=lambda form: (-len(form), form)))
    return b"".join([masking.feed(piece) for piece in pieces] + [masking.rest()])


def test_a_secret_is_masked_over_every_boundary() -> None:
    text = b"password is hunter2, really hunter2"
    for at in range(len(text)):
        for second in range(at, len(text)):
            pieces = [text[:at], text[at:second], text[second:]]
            assert pumped([b"hunter2"], pieces) == b"password is ***, really ***"


def test_a_longer_secret_is_not_left_half_by_a_shorter_one_that_begins_it() -> None:
    for at in range(len(b"hunter2extra!")):
        assert pumped([b"hunter2", b"hunter2extra"], [b"hunter2extra!"[:at], b"hunter2extra!"[at:]]) == b"***!"
    assert pumped([b"hunter2", b"hunter2extra"], [b"hunter2", b"ex", b"it"]) == b"***exit"


@settings(max_examples=MANY)
@given(forms=FORMS, pieces=st.lists(LETTERS, max_size=5))
@example(forms=[b"ab", b"aaba"], pieces=[b"aa", b"b", b"a"])
@example(forms=[b"aa"], pieces=[b"a", b"aa"])
def test_pieces_give_what_the_whole_gives(forms: list[bytes], pieces: list[bytes]) -> None:
    assert pumped(forms, pieces) == pumped(forms, [b"".join(pieces)])


@given(forms=FORMS, pieces=st.lists(LETTERS, max_size=5))
def test_what_goes_out_is_what_came_in_but_for_the_secrets(forms: list[bytes], pieces: list[bytes]) -> None:
    out = pumped(forms, pieces)
    assert not any(form in out for form in forms)
    if not any(form in b"".join(pieces) for form in forms):
        assert out == b"".join(pieces)


def test_a_line_without_a_secret_is_not_held_back() -> None:
    masking = Masking()
    masking.use([b"hunter2"])
    assert masking.feed(b"an hour\n") == b"an hour\n"
    assert masking.feed(b"an h") == b"an "
    assert masking.feed(b"our\n") == b"hour\n"
