import errno
import os
from pathlib import Path

import pytest

import rulebot
from rulebot.model.errors import StoreError
from rulebot.spec.files import NoSuchFiles, account_files_near, find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.yaml", "a.yml", "notes.md", "deep/c.yaml", ".hidden/d.yaml", ".e.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_gives_all_below_it_once(folder: Path) -> None:
    found = find_files([folder, folder / "b.yaml"])
    assert [str(file.relative_to(folder)) for file in found] == ["a.yml", "b.yaml", str(Path("deep/c.yaml"))]


def test_a_file_that_is_named_in_several_ways_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and the whole path of a file in it were two documents of one bot."""
    monkeypatch.chdir(folder)
    assert find_files(["b.yaml", "./b.yaml", folder / "b.yaml"]) == [Path("b.yaml")]


def test_patterns_are_expanded(folder: Path) -> None:
    assert find_files([str(folder / "*.yaml")]) == [folder / "b.yaml"]
    assert find_files([str(folder / "**" / "*.yaml")])[-1].name in ("b.yaml", "c.yaml")


def test_a_file_is_taken_whatever_its_suffix(folder: Path) -> None:
    assert find_files([folder / "notes.md"]) == [folder / "notes.md"]


@pytest.mark.parametrize("path", ["nowhere", "*.toml", ".hidden/nothing"])
def test_what_is_not_there_is_misuse(folder: Path, path: str) -> None:
    with pytest.raises(NoSuchFiles) as caught:
        find_files([folder / path])
    assert caught.value.exit_code == 2


def test_an_empty_path_is_not_this_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert len(find_files(["."])) == 3
    with pytest.raises(NoSuchFiles, match="an empty path"):
        find_files([""])


def test_a_folder_of_tests_alone_is_called_one(folder: Path) -> None:
    (folder / "of_tests").mkdir()
    (folder / "of_tests" / "b.test.yaml").touch()
    with pytest.raises(NoSuchFiles, match="holds nothing but tests of bots"):
        find_files([folder / "of_tests"])
    assert len(find_files([folder / "of_tests"], tests=True)) == 1


def test_a_link_to_nothing_is_said(folder: Path) -> None:
    (folder / "c.yaml").symlink_to("gone.yaml")
    with pytest.raises(NoSuchFiles, match="is a link to what is not there") as caught:
        find_files([folder / "c.yaml"])
    assert caught.value.help == "it leads to 'gone.yaml'"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "c.yaml")
    for path in (folder, folder / "*.yaml", folder / "c.yaml"):
        with pytest.raises(NoSuchFiles, match=r"c\.yaml' is a pipe, not a file"):
            find_files([path])


@pytest.mark.skipif(os.name == "nt", reason="no such devices there")
def test_a_device_is_not_opened(folder: Path) -> None:
    (folder / "c.yaml").symlink_to("/dev/zero")
    for path in ("/dev/zero", folder, folder / "c.yaml"):
        with pytest.raises(NoSuchFiles, match="is a device, not a file"):
            find_files([path])


@pytest.mark.skipif(os.name == "nt", reason="a link needs a right on Windows")
def test_a_link_out_of_its_folder_is_refused_and_one_within_is_not(folder: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (inside / "..data").mkdir(parents=True)
    (inside / "..data" / "x").write_text("")
    (inside / "a.yaml").symlink_to("..data/x")
    assert find_files([inside]) == find_files([inside / "a.yaml"]) == [inside / "a.yaml"]
    (tmp_path / "way").symlink_to(inside)
    assert find_files([tmp_path / "way"]) == [tmp_path / "way" / "a.yaml"]
    (tmp_path / "secret").write_text("")
    (inside / "b.yaml").symlink_to("../secret")
    for path in (inside, inside / "*.yaml", inside / "b.yaml"):
        with pytest.raises(NoSuchFiles, match=r"b\.yaml' is a link to outside its folder") as caught:
            find_files([path])
        assert caught.value.help == f"name the file itself: '{tmp_path / 'secret'}'"


@pytest.mark.parametrize("pattern", ["", "*/*.yaml", "**/*.yaml", "deep/*.yaml"])
def test_a_folder_that_cannot_be_read_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    """Whoever runs the tests may read all, so the system is made to refuse."""
    scan = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "deep":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(StoreError, match="deep cannot be read: Permission denied"):
        find_files([str(folder / pattern)])


def test_an_empty_folder_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFiles):
        find_files([tmp_path])


def test_a_shipped_spec_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [file.name for file in find_files(["put_lite"])] == ["put_lite.yaml"]
    with pytest.raises(NoSuchFiles) as missing:
        find_files(["putlite"])
    assert "put_lite" in (missing.value.help or "")


def test_test_documents_are_left_out_of_folders_and_patterns_unless_asked_for(tmp_path: Path) -> None:
    for name in ("bot.yaml", "bot.test.yaml"):
        (tmp_path / name).touch()
    both = [tmp_path / "bot.test.yaml", tmp_path / "bot.yaml"]
    for path in (tmp_path, tmp_path / "*.yaml"):
        assert find_files([path]) == both[1:]
        assert find_files([path], tests=True) == both
    assert find_files(both[:1]) == both[:1]


@pytest.mark.parametrize(
    ("here", "specs"),
    [
        (".", ["specs/one.yaml"]),
        ("specs", ["one.yaml"]),
        ("specs/deep", ["../one.yaml"]),
        (".", ["specs/deep/two.yaml", "specs/one.yaml"]),
        (".", ["specs/one.yaml", "specs/deep/two.yaml"]),
    ],
)
def test_what_lies_beside_specs_is_the_same_seen_from_any_folder_and_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str, specs: list[str]
) -> None:
    """Seen from the folder of the specs, or with one of a folder below named first, it was not found."""
    (tmp_path / "specs" / "deep").mkdir(parents=True)
    for name in ("account.yaml", "specs/one.yaml", "specs/deep/two.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / here)
    assert account_files_near(specs, "account.yaml").resolve() == tmp_path / "account.yaml"
    (tmp_path / "account.yaml").unlink()
    assert not account_files_near(specs, "account.yaml").exists()


def test_what_lies_among_specs_counts_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `rulebot.toml` in the folder of the specs was passed over without a word."""
    (tmp_path / "specs").mkdir()
    for name in ("specs/rulebot.toml", "specs/one.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / "specs")
    assert account_files_near(["one.yaml"], "rulebot.toml", or_among=True) == Path("rulebot.toml")
    assert not account_files_near(["one.yaml"], "rulebot.toml").is_file()
    (tmp_path / "rulebot.toml").touch()
    with pytest.raises(NoSuchFiles, match="both apply to these specs"):
        account_files_near(["one.yaml"], "rulebot.toml", or_among=True)


def test_here_is_beside_what_a_wheel_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rulebot run --paper put_lite` passed over the limits and the settings of the folder it was called in."""
    (tmp_path / "account.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert account_files_near([Path(rulebot.__file__).parent / "specs" / "put_lite.yaml"], "account.yaml") == Path(
        "account.yaml"
    )


def test_two_that_lie_beside_specs_are_misuse(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "specs").mkdir(parents=True)
        (tmp_path / name / "account.yaml").touch()
    specs = [tmp_path / name / "specs" / "bot.yaml" for name in ("one", "two")]
    assert account_files_near(specs[:1], "account.yaml") == tmp_path / "one" / "account.yaml"
    with pytest.raises(NoSuchFiles, match="both apply to these specs"):
        account_files_near(specs, "account.yaml")
