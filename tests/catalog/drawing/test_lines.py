"""Lines of text in a notebook."""

from __future__ import annotations

from rootcellar.catalog.drawing.lines import html_lines


def test_lines_stand_as_they_are():
    """The first is a title, what is marked stands out, and nothing becomes markup or a script."""
    drawn = html_lines("a <b>\n  from   x & y   <- stale\n<script>", marked="<- stale")

    assert (
        "<pre><b>a &lt;b&gt;</b>\n  from   x &amp; y   <i>&lt;- stale</i>\n&lt;script&gt;</pre>"
    ) in drawn
    assert "<script>" not in drawn


def test_control_characters_do_not_reach_the_page():
    """They could end the document."""
    assert "\ufffd" in html_lines("a\x00b")
    assert "\x00" not in html_lines("a\x00b")
