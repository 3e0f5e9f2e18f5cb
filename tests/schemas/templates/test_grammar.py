"""The grammar: what may be written in a template at all."""

from datetime import date

import pytest

from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.templates.template import UriTemplate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin with a scheme.*as in raw://"),
        ("raw/{x}", "does not begin with a scheme"),
        ("Raw://{x}", "does not begin with a scheme"),
        ("{x}://a", "does not begin with a scheme"),
        ("r{x}w://a", "does not begin with a scheme"),
        ("1://{x}", "does not begin with a scheme"),
        ("raw:/{x}", "does not begin with a scheme"),
        ("raw://{x.real}", "{x.real}' is no placeholder.*without attributes, indexes or conv"),
        ("raw://{x[0]}", "is no placeholder"),
        ("raw://{x!r}", "is no placeholder"),
        ("raw://{x:}", "'{x:}' is no placeholder"),
        ("raw://{}", "'{}' is no placeholder"),
        ("raw://{0}", "'{0}' is no placeholder"),
        ("raw://{ x}", "is no placeholder"),
        ("raw://{{x}}", "holds a brace that encloses no field"),
        ("raw://{x", "holds a brace that encloses no field"),
        ("raw://x}", "holds a brace that encloses no field"),
        ("raw://{x:{y}}", "holds a brace that encloses no field"),
        ("raw://a b/{x}", "the template holds ' '.*only ASCII letters, digits"),
        ("raw://a\n/{x}", r"the template holds '\\n'"),
        ("raw://a\0/{x}", "the template holds NUL"),
        ("raw://é/{x}", r"the template holds '\\xe9'"),
        ("raw://a%2F/{x}", "the template holds '%'"),
        ("raw://~/{x}", "the template holds '~'"),
        ("raw://a*/{x}", r"the template holds '\*'"),
        ("raw://a?b/{x}", r"the template holds '\?'"),
        ("raw://[a]/{x}", r"the template holds '\['"),
        ("raw://a\\b/{x}", "the template holds"),
        ("raw://a#b/{x}", "the template holds '#'"),
        ("raw://zip::a/{x}", "the template holds '::'. Use a single colon"),
        ("raw://", "has an empty segment.*and name something"),
        ("raw://a//{x}", "has an empty segment"),
        ("raw:///a/{x}", "has an empty segment"),
        ("raw://{x}/", "has an empty segment"),
        ("file:////a/{x}", "has an empty segment"),
        ("file:///", "has an empty segment"),
        ("raw://../{x}", "has a segment '.' or '..'"),
        ("raw://a/./{x}", "has a segment '.' or '..'"),
        ("raw://{x}/..", "has a segment '.' or '..'"),
    ],
)
def test_other_texts_are_refused(text, message):
    """The message names what is wrong and the remedy."""
    fields = {"x": int} if "{x}" in text and "{{" not in text else {}
    if "{x:{y}}" in text:
        fields = {"y": int}
    if text.startswith("raw://{{"):
        fields = {"x": int}

    with pytest.raises(DeclarationError, match=message) as caught:
        UriTemplate.parse(text, fields)

    assert text == caught.value.uri
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["raw://a/{x", "raw://a/x}", "raw://a/{x/{y}"])
def test_a_brace_too_few_is_not_taken_for_a_field_too_few(text):
    """The error speaks of the brace, also where the field is declared."""
    with pytest.raises(DeclarationError, match="brace") as caught:
        UriTemplate.parse(text, {"x": int, "y": int})

    assert text == caught.value.uri


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("%Y-%m-%d*", r"the template holds '\*'"),
        ("%Y//%m%d", "has an empty segment"),
        ("%Y/../%m%d", "has a segment '.' or '..'"),
        ("%Y::%m%d", "the template holds '::'"),
        ("%Y%m%dé", r"'\\xe9'"),
    ],
)
def test_the_text_within_a_format_is_literal(spec, message):
    """It may hold no more than other literal text."""
    with pytest.raises(DeclarationError, match=message):
        UriTemplate.parse(f"raw://{{day:{spec}}}", {"day": date})
