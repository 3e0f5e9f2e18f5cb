import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.errors import BindingError, ContentError, DeclarationError
from rootcellar.schemas.formats import Text


@given(text=st.text(st.characters(codec="utf-8"), min_size=1))
def test_text_comes_back_as_it_was(tmp_path_factory, text):
    """No line end and no character is changed."""
    path = tmp_path_factory.mktemp("text") / "a.txt"

    Text().save(text, path)
    Text().validate(path)

    assert Text().load(path, str) == text


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1))
def test_lines_come_back(tmp_path_factory, lines):
    """Lines are those that were saved, empty ones and odd separators included."""
    path = tmp_path_factory.mktemp("text") / "a.txt"

    Text().save(lines, path)

    assert Text().load(path, list[str]) == lines


def test_foreign_line_ends_are_line_ends(tmp_path):
    """Lines are the same whichever system wrote them."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\r\nb\rc\nd")

    assert Text().load(path, list[str]) == ["a", "b", "c", "d"]


def test_line_with_a_break_is_refused(tmp_path):
    """A list that would come back longer is not saved."""
    with pytest.raises(ContentError, match="line 2 has a line break"):
        Text().save(["a", "b\nc"], tmp_path / "a.txt")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_encodings(tmp_path, encoding):
    """The declared encoding is written, checked, read and previewed."""
    path, text = tmp_path / "a.txt", Text(encoding)

    text.save("Wärme\nStrom\n", path)
    text.validate(path)

    assert path.read_bytes() == "Wärme\nStrom\n".encode(encoding)
    assert text.load(path, str) == "Wärme\nStrom\n"
    assert repr(text.preview(path, rows=1)) == "Wärme\n…"


def test_wrong_encoding_names_the_place(tmp_path):
    """Bytes of another encoding are refused, by validation and loading alike."""
    path = tmp_path / "a.txt"
    path.write_bytes("Wärme".encode("latin-1"))

    for read in (Text().validate, Text().default_load):
        with pytest.raises(ContentError, match=r"not utf-8 text: .*position 1.* Declare the enc"):
            read(path)


def test_cut_off_character_is_found(tmp_path):
    """A file that ends within a character is not whole."""
    path = tmp_path / "a.txt"
    path.write_bytes("aä".encode()[:-1])

    with pytest.raises(ContentError, match="not utf-8"):
        Text().validate(path)


def test_character_the_encoding_lacks(tmp_path):
    """Nothing is replaced by question marks."""
    with pytest.raises(ContentError, match="character that ascii lacks"):
        Text("ascii").save("Wärme", tmp_path / "a.txt")


def test_empty_text(tmp_path):
    """An empty text is refused unless declared."""
    path = tmp_path / "a.txt"
    Text().save("", path)

    Text(allow_empty=True).validate(path)
    assert Text(allow_empty=True).load(path, list[str]) == []
    for read in (Text().validate, Text().default_load):
        with pytest.raises(ContentError, match="it is empty"):
            read(path)


@pytest.mark.parametrize("encoding", ["no-such", "base64", "rot13", "undefined"])
def test_what_is_no_text_encoding_is_refused(encoding):
    """A bad encoding is found at declaration."""
    with pytest.raises(DeclarationError, match="no text encoding"):
        Text(encoding)


def test_names_of_one_encoding_are_one_definition():
    """Spelling does not make another type."""
    assert Text("UTF8").definition() == Text("utf-8").definition()


def test_other_types_are_refused(tmp_path):
    """Only text is text; a path is copied."""
    (tmp_path / "a").write_text("abc")
    Text().save(tmp_path / "a", tmp_path / "b")

    assert Text().describe(tmp_path / "b").size_bytes == 3
    assert not Text().can_load(list)
    assert not Text().can_save([1])
    assert not Text().can_save(b"a")
    with pytest.raises(BindingError, match="as bytes"):
        Text().load(tmp_path / "a", bytes)
    with pytest.raises(ContentError, match="list cannot be saved"):
        Text().save([1], tmp_path / "b")
