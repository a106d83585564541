"""`futurscam export`: complete files without formulas."""

from __future__ import annotations

import csv
import io
import os
import re
import stat
import subprocess
import sys
import unicodedata
import zipfile
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import bson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from futurscam_lib import clock
from futurscam_lib.analysis import writers
from futurscam_lib.analysis.columns import STANDARD
from futurscam_lib.cli import export as command
from futurscam_lib.cli.app import app
from futurscam_lib.errors import OperatorMustAct, UsageError
from tests.analysis.documents import NOW, document

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

    from pymongo.database import Database

    Mongo: TypeAlias = Database[dict[str, Any]]

ATTACKS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example","x")',
    "  =1+1",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\xa0=1+1",
    "\u200b=1+1",
    "\x00=1+1",
    "\x1b=1+1",
    "＝1+1",  # noqa: RUF001 - full-width
    "＋1+1",  # noqa: RUF001
    "＠SUM(A1)",  # noqa: RUF001
    "a;=1+1",
    "a\n=1+1",
    'a";=1+1',
    'a;"=1+1',
    'a; ""\u200b"=1+1;x',
    'a\n"=1+1\tx',
    "<r><t>x</t></r>",
    "<r/></is></c><c r='A2'><f>1+1</f></c><c><is></r>",
    "_x003D_1+1",
    "]]><f>1</f>",
    "http://evil.example/",
    "\ufffe",
    "12",
    "TRUE",
    "",
]
texts = st.one_of(st.sampled_from(ATTACKS), st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def a_table(*cells: Any, kind: pa.DataType | None = None) -> pa.Table:
    """A table with one column of these cells."""
    return pa.table({"title": pa.array(list(cells), kind or pa.string())})


def as_csv(table: pa.Table) -> list[list[str]]:
    """Write a table as CSV and read it again."""
    file = io.BytesIO()
    writers.write_csv(table, file)
    return list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline="")))


def as_xml(table: pa.Table) -> dict[str, str]:
    """The files inside a workbook."""
    file = io.BytesIO()
    writers.write_xlsx(table, file)
    with zipfile.ZipFile(file) as book:
        return {name: book.read(name).decode("utf-8") for name in book.namelist()}


def sheet_of(inside: dict[str, str]) -> list[list[tuple[str, str]]]:
    """Type and content of each cell, row by row."""
    root = ET.fromstring(inside["xl/worksheets/sheet1.xml"])  # noqa: S314 - our own
    rows = root.find(f"{SHEET}sheetData")
    assert rows is not None
    return [[(cell.get("t", "n"), _unescaped("".join(cell.itertext()))) for cell in row] for row in rows]


def _unescaped(text: str) -> str:
    return re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text)


def begins_a_formula(cell: str) -> bool:
    """Whether a spreadsheet would evaluate a CSV cell with this text."""
    visible = cell.lstrip("".join(char for char in cell if char.isspace() or not char.isprintable()))
    return unicodedata.normalize("NFKC", visible)[:1] in {"=", "+", "-", "@"} or cell[:1] in {"\t", "\r"}


@given(text=texts)
@hypothesis_settings(deadline=None)
@example(text="-")
def test_no_text_begins_a_formula_in_csv(text: str) -> None:
    """No cell in the CSV file is a formula, and the whole text is kept."""
    file = io.BytesIO()
    writers.write_csv(pa.table({"a": ["x"], "title": [text], "b": ["y"]}), file)
    written = file.getvalue().decode("utf-8-sig")

    _, (_, cell, _) = csv.reader(io.StringIO(written, newline=""))

    assert not begins_a_formula(cell)
    kept = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]", "", text)
    assert cell.replace("'", "") == kept.replace("'", "")


@given(rows=st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=3))
@hypothesis_settings(deadline=None)
@example(rows=[("x", "Dev;\"=cmd|' /C calc'!A0;x", "y")])
@example(rows=[("x", 'Dev;"=HYPERLINK(A1)', "y")])
@example(rows=[("x", 'Dev\t"=1+1\tx', "y")])
@example(rows=[("x", 'Dev\n"=1+1\tx', "y"), ('"=1+1', 'a";', '"";=1')])
def test_no_cell_begins_a_formula_with_any_separator(rows: list[tuple[str, str, str]]) -> None:
    """Holds for each separator that spreadsheets accept, also where quotes change the cells."""
    file = io.BytesIO()
    columns = zip(*rows, strict=True)
    writers.write_csv(pa.table(dict(zip("abc", [pa.array(column) for column in columns], strict=True))), file)
    written = file.getvalue().decode("utf-8-sig")

    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(written, newline=""), delimiter=separator):
            for cell in row:
                visible = "".join(char for char in cell if char.isprintable() and not char.isspace())
                assert unicodedata.normalize("NFKC", visible[:1]) not in {"=", "+", "-", "@"}, (separator, cell)


def test_types_in_csv() -> None:
    """Negative numbers stay numbers; instants are ISO 8601 with Z; missing values are empty."""
    at = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    instants = pa.timestamp("ms", tz="UTC")

    assert as_csv(a_table(-5.0, 750.5, 1e300, None, kind=pa.float64())) == [
        ["title"],
        ["-5"],
        ["750.5"],
        ["1e+300"],
        [""],
    ]
    assert as_csv(a_table(at, at + timedelta(milliseconds=7), datetime(1, 1, 1, tzinfo=UTC), kind=instants))[1:] == [
        ["2026-11-24T10:30:00Z"],
        ["2026-11-24T10:30:00.007Z"],
        ["0001-01-01T00:00:00Z"],
    ]
    assert as_csv(a_table(*(True, False, None), kind=pa.bool_()))[1:] == [["true"], ["false"], [""]]


def test_csv_follows_rfc_4180_and_excel() -> None:
    """A byte order mark, CRLF, and quotes where needed."""
    file = io.BytesIO()
    writers.write_csv(a_table('say "é", twice\nor more'), file)

    assert file.getvalue() == '\ufefftitle\r\n"say ""é"", twice\nor more"\r\n'.encode()


@given(text=texts)
@hypothesis_settings(deadline=None)
@example(text="<r><f>1</f></r>")
def test_text_stays_text_in_a_workbook(text: str) -> None:
    """Any text becomes a text cell without characters that XML cannot hold: no formula, link or number."""
    inside = as_xml(a_table(text, "end"))

    for name, xml in inside.items():
        ET.fromstring(xml)  # noqa: S314 - our own
        assert not re.search(r"<f[\s>/]", xml)
        assert "hyperlink" not in xml
        assert "externalLink" not in name
    (_, *cells, end) = sheet_of(inside)
    assert end == [("inlineStr", "end")]
    kept = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]", "", text)
    kept = kept.replace("\r\n", "\n").replace("\r", "\n")
    if kept:
        ((kind, cell),) = cells[0]
        assert kind == "inlineStr"
        assert cell.removeprefix(" ") == _unescaped(kept).removeprefix(" ") or cell == kept


def test_formula_like_text_stays_text_after_an_edit() -> None:
    """Excel's quote prefix is set, so the text itself is unchanged."""
    inside = as_xml(a_table("=1+1", "plain"))
    sheet = ET.fromstring(inside["xl/worksheets/sheet1.xml"])  # noqa: S314
    formats = ET.fromstring(inside["xl/styles.xml"]).find(f"{SHEET}cellXfs")  # noqa: S314
    assert formats is not None

    risky, plain = sheet.findall(f".//{SHEET}c")[1:]

    assert "".join(risky.itertext()) == "=1+1"
    assert formats[int(risky.get("s", 0))].get("quotePrefix") == "1"
    assert formats[int(plain.get("s", 0))].get("quotePrefix") is None


def test_types_in_a_workbook() -> None:
    """Numbers, flags and instants use Excel's types; an instant before 1900, which Excel cannot represent, is text."""
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    instants = a_table(
        at,
        datetime(1899, 12, 31, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        None,
        kind=pa.timestamp("ms", tz="UTC"),
    )

    dates = sheet_of(as_xml(instants))
    number = sheet_of(as_xml(a_table(-5.5, kind=pa.float64())))[1]
    flag = sheet_of(as_xml(a_table(*(True,), kind=pa.bool_())))[1]

    assert dates[1:] == [[("n", "46350.5")], [("inlineStr", "1899-12-31T00:00:00Z")], [("n", "2958465")]]
    assert number == [("n", "-5.5")]
    assert flag == [("b", "1")]


def test_a_day_is_a_date_cell_without_a_time() -> None:
    """Days are date cells, which can be sorted; a day before 1900 is text."""
    inside = as_xml(a_table(date(2026, 1, 1), date(1899, 12, 31), None, kind=pa.date32()))
    root = ET.fromstring(inside["xl/worksheets/sheet1.xml"])  # noqa: S314
    styles = ET.fromstring(inside["xl/styles.xml"])  # noqa: S314
    codes = {style.get("numFmtId"): style.get("formatCode") for style in styles.iter(f"{SHEET}numFmt")}
    styled = styles.find(f"{SHEET}cellXfs")
    assert styled is not None

    day, early = root.findall(f".//{SHEET}c")[1:]

    assert ("".join(day.itertext()), codes[styled[int(day.get("s", 0))].get("numFmtId")]) == ("46023", "yyyy-mm-dd")
    assert "".join(early.itertext()) == "1899-12-31"


def test_a_workbook_is_ready_to_read() -> None:
    """The heading is frozen, and every column has a filter."""
    sheet = as_xml(pa.table({"a": ["x"], "b": ["y"]}))["xl/worksheets/sheet1.xml"]

    assert 'state="frozen"' in sheet
    assert '<autoFilter ref="A1:B2"/>' in sheet


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_a_long_text_is_cut_with_a_mark(letter: str) -> None:
    """Text is cut at the maximum length of an Excel cell in UTF-16 units; text of exactly this length is kept."""
    units = len(letter.encode("utf-16-le")) // 2
    fits, cut = sheet_of(as_xml(a_table(letter * (writers.CELL_UNITS // units), letter * writers.CELL_UNITS * 2)))[1:]

    assert fits == [("inlineStr", letter * (writers.CELL_UNITS // units))]
    assert cut[0][1].endswith(f"{letter}{writers.CUT}")
    assert writers.CELL_UNITS - 2 < len(cut[0][1].encode("utf-16-le")) // 2 <= writers.CELL_UNITS


def test_too_many_rows_for_a_sheet_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has an alternative; the heading takes one row."""
    monkeypatch.setattr(writers, "SHEET_ROWS", 3)

    as_xml(a_table("a", "b"))
    with pytest.raises(
        UsageError, match=r"3 RFPs are more than an Excel sheet holds \(2\).*\n.*--format csv or parquet"
    ):
        as_xml(a_table("a", "b", "c"))


def export(*arguments: str) -> Any:
    """`futurscam export ...`; raises the error instead of returning an exit code."""
    done = CliRunner().invoke(app, ["export", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.usefixtures("home")
def test_parquet_keeps_every_type(database: Mongo, tmp_path: Path) -> None:
    """Days, instants in UTC, lists of objects for skills and languages, and unchanged text, even formulas."""
    database.RFP.insert_one(document("a", roleTitle="=1+1"))
    file = tmp_path / "rfps.parquet"

    export(str(file))

    table = pq.read_table(file)
    assert table.column_names == [*STANDARD, "skills", "languages", "questions"]
    (row,) = table.to_pylist()
    assert row["title"] == "=1+1"
    assert row["published_at"] == datetime(2026, 11, 10, 9, tzinfo=UTC)
    assert table.schema.field("published_at").type == pa.timestamp("ms", tz="UTC")
    assert (row["starts_at"], table.schema.field("starts_at").type) == (date(2027, 1, 1), pa.date32())
    assert row["skills"] == [
        {"skill": "SQL", "seniority": "Expert", "last_used": "LessThanOneYearAgo"},
        {"skill": "Python", "seniority": "NS", "last_used": None},
    ]
    assert row["questions"] == ["Can you start in January?", "Do you have a clearance?"]
    assert row["languages"] == [{"language": "Dutch", "level": "FullProfessional"}]


@pytest.mark.usefixtures("home")
def test_the_default_is_a_csv_file_named_by_the_time(
    database: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line per mission, lists in one cell; the command prints the number of missions."""
    database.RFP.insert_many([document("a"), document("b", skills=[], isActive=False)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(clock, "now", lambda: NOW)

    done = export()

    (file,) = tmp_path.glob("*.csv")
    assert file.name == "rfps-20261124T1030Z.csv"
    assert done.stdout == f"2 RFPs written to {file}\n"
    rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))
    assert list(rows[0]) == [*STANDARD, "skills", "languages", "questions"]
    assert rows[0]["questions"] == "Can you start in January?; Do you have a clearance?"
    assert (rows[0]["starts_at"], rows[0]["ends_at"]) == ("2027-01-01", "2027-12-31")
    assert [row["skills"] for row in rows] == ["SQL (Expert); Python", ""]
    assert (rows[0]["rate_max"], rows[0]["deadline_at"], rows[1]["active"]) == (
        "750.5",
        "2026-12-10T09:00:00Z",
        "false",
    )


@pytest.mark.usefixtures("home")
def test_filters_and_columns(database: Mongo) -> None:
    """Each option has the same effect as in `rfps()`."""
    database.RFP.insert_many(
        [
            document("a", company__region="Brussels", __source="boond", seniority="Junior", job_desc="<p>Kafka</p>"),
            document("b", isActive=False),
            document("c", skills=[{"name": "Go"}], publishedAt=NOW),
        ]
    )

    def exported_ids(*options: str) -> str:
        lines = export("-", "--columns", "job_id", *options).stdout.removeprefix("\ufeff").split()
        assert lines[0] == "job_id"
        return "".join(sorted(lines[1:]))

    assert exported_ids() == "abc"
    assert exported_ids("--active") == "ac"
    assert exported_ids("--since", "2026-11-20") == "c"
    assert exported_ids("--source", "boond", "--source", "imap_mail") == "a"
    assert exported_ids("--seniority", "junior") == "a"
    assert exported_ids("--region", "brussels", "--region", "Namur") == "a"
    assert exported_ids("--skill", "go") == "c"
    assert exported_ids("--text", "kafka") == "a"
    assert export("-", "--columns", "title, job_id", "--descriptions", "--text", "kafka").stdout.splitlines() == [
        "\ufefftitle,job_id,description",
        "Data Engineer,a,Kafka",
    ]
    with pytest.raises(UsageError, match="no column 'titel'; like it: title"):
        export("-", "--columns", "titel")


@pytest.mark.usefixtures("home")
def test_an_existing_file_is_kept_unless_forced(database: Mongo, tmp_path: Path) -> None:
    """With --force it is replaced as a whole; no other file is left in the folder."""
    database.RFP.insert_one(document("a"))
    file = tmp_path / "mine.CSV"
    file.write_text("mine")

    with pytest.raises(UsageError, match="already exists and was not changed; --force replaces it"):
        export(str(file))
    assert file.read_text() == "mine"

    export(str(file), "--force")
    assert file.read_bytes().startswith(b"\xef\xbb\xbfjob_id,")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.CSV"]


@pytest.mark.usefixtures("home")
def test_a_link_is_kept_and_its_target_replaced(database: Mongo, tmp_path: Path) -> None:
    """Also a link to a file that does not exist yet."""
    database.RFP.insert_one(document("a"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to("folder/big.csv")

    made = export(str(tmp_path / "link.csv"))
    with pytest.raises(UsageError, match=r"big\.csv already exists"):
        export(str(tmp_path / "link.csv"))
    (tmp_path / "folder" / "big.csv").write_text("old")
    export(str(tmp_path / "link.csv"), "--force")

    assert made.stdout == f"1 RFP written to {tmp_path / 'folder' / 'big.csv'}\n"
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "folder" / "big.csv").read_bytes().startswith(b"\xef\xbb\xbfjob_id,")
    assert {path.name for path in tmp_path.iterdir()} <= {"folder", "link.csv", "home"}


@pytest.mark.usefixtures("home")
def test_only_files_are_replaced(tmp_path: Path) -> None:
    """A pipe (instead of a device) and a link that leads to itself are refused."""
    socket_or_pipe, circle = tmp_path / "rfps.csv", tmp_path / "circle.csv"
    circle.symlink_to(circle)
    if hasattr(os, "mkfifo"):
        os.mkfifo(socket_or_pipe)
        with pytest.raises(UsageError, match=r"is a device, a pipe or the like, and no file; for stdout give -"):
            export(str(socket_or_pipe), "--force")
        assert stat.S_ISFIFO(socket_or_pipe.lstat().st_mode)

    with pytest.raises(UsageError, match="and no file"):
        export(str(circle), "--force")
    assert circle.is_symlink()


@pytest.mark.usefixtures("home")
def test_the_longest_file_name(database: Mongo, tmp_path: Path) -> None:
    """It is written; a longer name is refused with the reason."""
    database.RFP.insert_one(document("a"))
    # Windows counts the folders, too.
    longest = tmp_path / f"{'x' * (255 - len('.csv') if os.name == 'posix' else 254 - len(str(tmp_path / '.csv')))}.csv"

    export(str(longest))

    assert longest.is_file()
    with pytest.raises(UsageError, match=r"could not be written \((?!.*open elsewhere)"):
        export(str(tmp_path / f"{'x' * 300}.csv"))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("written_as", ["csv", "xlsx", "parquet"])
def test_an_export_with_invalid_text(database: Mongo, tmp_path: Path, written_as: str) -> None:
    """Bytes that are not UTF-8 are replaced in text, lists and descriptions."""
    texts = {"roleTitle": "broken", "job_desc": "<p>broken</p>", "questions": ["broken?"]}
    broken = bson.encode(document("bad", skills=[{"name": "broken"}], **texts))
    database.RFP.insert_many([RawBSONDocument(broken.replace(b"broken", b"br\xffken")), document("good")])
    file = tmp_path / f"rfps.{written_as}"

    export(str(file), "--columns", "job_id,title,skills,questions,city,description")

    if written_as == "csv":
        assert "bad,br\ufffdken,br\ufffdken,br\ufffdken?,Gent,br\ufffdken" in file.read_text("utf-8-sig")
    elif written_as == "parquet":
        bad, _ = pq.read_table(file).sort_by("job_id").to_pylist()
        assert (bad["title"], bad["questions"]) == ("br\ufffdken", ["br\ufffdken?"])
        assert bad["skills"] == [{"skill": "br\ufffdken", "seniority": None, "last_used": None}]


@pytest.mark.usefixtures("home")
def test_an_unknown_filter_value_is_refused(database: Mongo, tmp_path: Path) -> None:
    """The message lists the existing values, and no file is written; an empty name filters nothing."""
    database.RFP.insert_one(document("a"))

    with pytest.raises(UsageError, match="source: there is no 'fodler'; there are: folder, graph_mail, imap_mail"):
        export(str(tmp_path / "typo.csv"), "--source", "fodler")

    assert not (tmp_path / "typo.csv").exists()
    options = [word for name in ("source", "seniority", "region", "skill") for word in (f"--{name}", "")]
    assert export("-", "--columns", "job_id", *options).stdout.splitlines()[1:] == ["a"]


@pytest.mark.usefixtures("home")
def test_a_file_created_meanwhile_is_kept(database: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two simultaneous exports to one name fails."""
    database.RFP.insert_one(document("a"))
    file = tmp_path / "rfps.csv"
    monkeypatch.setitem(writers.WRITERS, "csv", lambda _table, _file: file.write_text("theirs"))

    with pytest.raises(UsageError, match="already exists"):
        export(str(file))

    assert file.read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["rfps.csv"]


@pytest.mark.usefixtures("home", "database")
def test_a_failed_export_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full, the existing file is unchanged and no partial file is left."""
    file = tmp_path / "rfps.csv"
    file.write_text("mine")

    def fails(_table: Any, half: Any) -> None:
        half.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(writers.WRITERS, "csv", fails)
    with pytest.raises(OperatorMustAct, match=r"rfps\.csv could not be written \(No space left on device\)"):
        export(str(file), "--force")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir() if path.is_file()] == [("rfps.csv", "mine")]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rfps.txt"], r"has no known extension; choose a format: --format csv, xlsx, parquet"),
        (["rfps"], "has no known extension"),
        (["rfps.csv", "--format", "xlsx"], "would be read as csv, but --format says xlsx"),
        (["nowhere/rfps.csv"], "There is no folder nowhere"),
        ([".", "--format", "csv"], "is a folder"),
        (["there.csv"], "there.csv already exists"),
    ],
)
def test_an_invalid_target_is_refused_before_reading(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB is not queried and no server is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONGO_URI", "mongodb://127.0.0.1:9/")
    (tmp_path / "there.csv").touch()

    with pytest.raises(UsageError, match=message):
        export(*arguments)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("written_as", ["csv", "xlsx", "parquet"])
def test_stdout_gets_the_same_bytes_as_a_file(database: Mongo, tmp_path: Path, written_as: str) -> None:
    """Byte for byte the same, with the number of RFPs on stderr."""
    database.RFP.insert_one(document("a"))

    piped = _export(["-", "--format", written_as], stdout=subprocess.PIPE)
    _export([str(tmp_path / f"rfps.{written_as}")], stdout=subprocess.PIPE)

    filed = (tmp_path / f"rfps.{written_as}").read_bytes()
    assert piped.stderr == b"1 RFP written.\n"
    if written_as == "xlsx":  # Which holds the time of its making.
        books = [zipfile.ZipFile(io.BytesIO(data)) for data in (piped.stdout, filed)]
        piped_sheet, filed_sheet = (book.read("xl/worksheets/sheet1.xml") for book in books)
        assert piped_sheet == filed_sheet
    else:
        assert piped.stdout == filed


@pytest.mark.usefixtures("home")
def test_a_closed_pipe_is_not_an_error(database: Mongo) -> None:
    """As with `| head`: exit code 0 and nothing on stderr but the count."""
    database.RFP.insert_many([document(str(number)) for number in range(500)])
    reading, writing = os.pipe()
    os.close(reading)

    done = _export(["-"], stdout=writing)
    os.close(writing)

    assert done.stderr == b"500 RFPs written.\n"


def _export(arguments: list[str], *, stdout: int) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "futurscam_lib", "export", *arguments]
    return subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, check=True)


def test_every_format_of_the_command_has_a_writer() -> None:
    """The command line and the writers have the same list of formats."""
    assert [item.value for item in command.Format] == list(writers.WRITERS)


@pytest.mark.usefixtures("home")
def test_the_home_folder_of_an_unknown_user() -> None:
    """It is refused as an invalid name."""
    with pytest.raises(UsageError, match=r"^~nobody-of-that-name/x\.csv: there is no such user here"):
        export("~nobody-of-that-name/x.csv")
