"""Shapes: widths and continuing characters."""

from rootcellar.schemas.templates.shape import DIGITS, Piece, continuing, fixed_width, spelled


def test_a_width_is_fixed_if_all_texts_have_it():
    """Alternatives of different widths, or a piece without a limit, have none."""
    assert fixed_width((spelled("ab"), spelled("cd"))) == 2
    assert fixed_width((spelled("ab"), spelled("c"))) is None
    assert fixed_width(((Piece(DIGITS, 1, None),),)) is None
    assert fixed_width(((Piece(DIGITS, 1, 2),), spelled("a"))) is None


def test_the_first_character_does_not_continue():
    """A sign is not among the characters that continue a number."""
    sign = Piece(frozenset("-"))

    assert continuing(((sign, Piece(DIGITS, 1, None)),)) == DIGITS
    assert continuing(((Piece(DIGITS, 2, 2),),)) == DIGITS
    assert continuing((spelled("abc"),)) == {"b", "c"}
