"""Where files are written to: whole or not at all, over what may be replaced, tried before there is work to lose."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from subprocesses import environment_of, run_python

import fastbp
from fastbp.files import outputs
from fastbp.files.outputs import check_writable, replacing

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its links, pipes and permissions are others")
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def write(path, content=b"new"):
    with replacing(path, "out") as file:
        file.write(content)


def net():
    return fastbp.Network((3, 4, 2), seed=0)


# ---------------------------------------------------------------- files, old and new


def test_a_new_file_and_an_old_one(tmp_path):
    path, mask = tmp_path / "a", os.umask(0o027)
    try:
        write(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    assert check_writable(path) == path
    assert path.read_bytes() == b"new"
    write(path, b"newer")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"newer", 0o604)
    assert os.listdir(tmp_path) == ["a"]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    for error in (ValueError, KeyboardInterrupt, OSError(3, "of another file", "elsewhere")):
        with pytest.raises(error if isinstance(error, type) else OSError) as caught, replacing(path) as file:
            file.write(b"half")
            raise error
    assert caught.value.filename == "elsewhere"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_the_block_may_close_the_file(tmp_path):
    with replacing(tmp_path / "a") as file:
        file.write(b"all")
        file.close()
    assert (tmp_path / "a").read_bytes() == b"all"


@pytest.mark.parametrize("n", [235, 243, 255])
def test_names_as_long_as_the_system_allows(tmp_path, n):
    path = tmp_path / ("n" * n)
    X = np.zeros((4, 3))
    net().fit(X, X[:, :2], epochs=1, checkpoint=path)
    net().save(path)
    assert np.array_equal(fastbp.Network.load(path).params, net().params)


def test_symbolic_links_stay_and_their_targets_are_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    real, first, second = tmp_path / "data" / "real", tmp_path / "first", tmp_path / "data" / "second"
    first.symlink_to("data/second")
    second.symlink_to("real")  # relative to where it stands
    for content in (b"new", b"newer"):  # a dangling link, then one to a file
        write(first, content)
        assert real.read_bytes() == content
        assert not real.is_symlink()
    assert os.readlink(first) == "data/second"
    assert os.readlink(second) == "real"
    assert sorted(os.listdir(tmp_path / "data")) == ["real", "second"]


# ---------------------------------------------------------------- what is no file


def test_a_pipe_is_written_into(tmp_path):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    assert check_writable(path) == path  # and does not wait for a reader
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    net().save(path)
    reader.join(60)
    (tmp_path / "file").write_bytes(got[0])
    assert np.array_equal(fastbp.Network.load(tmp_path / "file").params, net().params)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_device_stays_one(tmp_path):
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.write_bytes(b"x")
    except OSError:
        path = Path("/dev/null")
    before = path.stat()
    check_writable(path)
    net().save(path)
    (tmp_path / "link").symlink_to(path)
    net().save(tmp_path / "link")
    assert stat.S_ISCHR(path.stat().st_mode)
    assert path.stat().st_ino == before.st_ino
    X = np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"checkpoint must be a file that can be written; .*a device or a pipe"):
        net().fit(X, X[:, :2], epochs=1, checkpoint=path)


def test_standard_output():
    code = "import fastbp, sys; print('before', flush=True); fastbp.Network((1, 1)).save('/dev/stdout'); print('after')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment_of(), capture_output=True, check=True)
    assert done.stdout.startswith(b"before\nfastbp model\n")
    assert done.stdout.endswith(b"after\n")


def test_standard_output_that_is_a_file(tmp_path):
    code = "import fastbp, sys; print('before', flush=True); fastbp.Network((1, 1)).save('/dev/stdout'); print('after')"
    with open(tmp_path / "out", "wb") as file:
        subprocess.run([sys.executable, "-c", code], env=environment_of(), stdout=file, check=True)
    content = (tmp_path / "out").read_bytes()
    assert content.startswith(b"before\nfastbp model\n")
    assert content.endswith(b"after\n")
    assert os.listdir(tmp_path) == ["out"]


# ---------------------------------------------------------------- what is refused, and how it is said


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nowhere/x", errno.ENOENT), ("folder", errno.EISDIR), ("folder/", errno.EISDIR), ("folder/.", errno.EISDIR),
        ("new/", errno.EISDIR), ("..", errno.EISDIR), ("file/x", errno.ENOTDIR), ("loop", errno.ELOOP),
        ("socket", errno.EINVAL), ("n" * 256, errno.ENAMETOOLONG), ("dangling", errno.ENOENT),
    ],
)  # fmt: skip
def test_paths_that_cannot_be_written(tmp_path, monkeypatch, name, code):
    import socket

    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nowhere/x")
    with socket.socket(socket.AF_UNIX) as here:
        here.bind("socket")
        before = sorted(os.listdir())
        for attempt in (lambda: check_writable(name, "out"), lambda: write(name)):
            with pytest.raises(OSError, match="out cannot be written: ") as caught:
                attempt()
            assert (caught.value.errno, caught.value.filename) == (code, name)
        with pytest.raises(OSError, match="path cannot be written") as caught:
            net().save(name)
        assert caught.value.filename == name
        X = np.zeros((4, 3))
        trained = net()
        with pytest.raises(ValueError, match="checkpoint"):
            trained.fit(X, X[:, :2], epochs=1, checkpoint=name)
        assert np.array_equal(trained.params, net().params)
        assert sorted(os.listdir()) == before


@pytest.mark.parametrize(("path", "error"), [(3, TypeError), ("", ValueError), ("a\0b", ValueError), (None, TypeError)])
def test_what_is_no_path(path, error):
    for attempt in (check_writable, write):
        with pytest.raises(error, match=r"path|out"):
            attempt(path)


# A user who may not do everything: the folder, the file, and a folder where only owners replace theirs.
FORBIDDEN = """
import os, shutil, tempfile
import numpy as np
import fastbp
import fastbp.io  # as long as the package can be read
from fastbp.files.outputs import check_writable

top = tempfile.mkdtemp()
is_root = os.geteuid() == 0
for name in ("closed", "sticky", "open"):
    os.mkdir(f"{top}/{name}")
    open(f"{top}/{name}/file", "w").close()
    os.chmod(f"{top}/{name}/file", 0o666)
os.chmod(top, 0o755)
os.chmod(f"{top}/closed", 0o555)
os.chmod(f"{top}/sticky", 0o1777)
os.chmod(f"{top}/open", 0o777)
os.chmod(f"{top}/open/file", 0o444)
if is_root:
    os.seteuid(65534)
X, net = np.zeros((4, 3)), fastbp.Network((3, 4, 2), seed=0)
refused = []
for name in ("closed", "sticky", "open"):
    path = f"{top}/{name}/file"
    for attempt in (check_writable, net.save, lambda path: net.fit(X, X[:, :2], epochs=1, checkpoint=path)):
        try:
            attempt(path)
        except (PermissionError, ValueError) as error:
            assert path in str(error) and "unfinished" not in str(error), error
            refused.append(name)
    assert os.listdir(f"{top}/{name}") == ["file"]
if is_root:
    os.seteuid(0)
os.chmod(f"{top}/closed", 0o755)
shutil.rmtree(top)
print(*refused)
"""


def test_folders_and_files_that_may_not_be_written():
    """Each is found out beforehand: by the check, by `save`, and by `fit` before it trains."""
    refused = run_python(FORBIDDEN).split()
    sticky = ["sticky"] * 3 if IS_ROOT else []  # one's own file may be replaced there
    assert refused == ["closed"] * 3 + sticky + ["open"] * 3


def test_a_full_disk(tmp_path):
    """A file system of 64 KiB, where that can be mounted; `test_io.py` has a limit of the process in its place."""
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if not IS_ROOT or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system")
    try:
        path = tmp_path / "model.fastbp"
        net().save(path)
        before = path.read_bytes()
        with pytest.raises(OSError, match=r"path cannot be written: No space left on device: .*model") as caught:
            fastbp.Network((100, 100, 10)).save(path)
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["model.fastbp"]
        net().save(path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# ---------------------------------------------------------------- writers that are killed

WRITER = """
import sys, time
from fastbp.files.outputs import replacing

with replacing(sys.argv[1]) as file:
    file.write(b"x" * 10000)
    print("writing", flush=True)
    sys.stdin.read()
"""


def start_writer(path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], env=environment_of(), **pipes)
    assert writer.stdout.readline() == b"writing\n"
    return writer


def unfinished(folder):
    return [name for name in os.listdir(folder) if name.endswith(outputs.UNFINISHED)]


def test_what_killed_writers_left_is_swept_and_what_is_being_written_is_not(tmp_path):
    with start_writer(tmp_path / "killed") as killed, start_writer(tmp_path / "alive") as alive:
        assert len(unfinished(tmp_path)) == 2
        write(tmp_path / "another")
        assert len(unfinished(tmp_path)) == 2
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        check_writable(tmp_path / "another")  # a check removes nothing but its own
        assert len(unfinished(tmp_path)) == 2
        net().save(tmp_path / "model")
        assert len(unfinished(tmp_path)) == 1
        alive.communicate()
    assert alive.returncode == 0
    assert (tmp_path / "alive").read_bytes() == b"x" * 10000
    assert sorted(os.listdir(tmp_path)) == ["alive", "another", "model"]


def test_only_unfinished_files_of_ours_are_swept(tmp_path):
    others = [".a.unfinished", ".fastbp-notes", "fastbp-0.unfinished"]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / ".fastbp-0.unfinished").symlink_to("a")  # a link is nobody's unfinished file
    (tmp_path / ".fastbp-1.unfinished").touch()
    write(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, ".fastbp-0.unfinished", "a"])


def test_one_that_is_swept_before_it_is_locked_is_begun_anew(tmp_path, monkeypatch):
    lock, seen = outputs._lock, []

    def late(handle):
        if not seen:
            outputs._sweep(str(tmp_path))  # another process, in the instant between opening and locking
        seen.append(handle)
        return lock(handle)

    monkeypatch.setattr(outputs, "_lock", late)
    write(tmp_path / "a")
    assert len(seen) == 2
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "no locks")

    (tmp_path / ".fastbp-1.unfinished").touch()
    monkeypatch.setattr(outputs.fcntl, "flock", refuse)
    write(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == [".fastbp-1.unfinished", "a"]  # nobody knows whether it is written


def test_a_system_without_locks(tmp_path, monkeypatch):
    """Windows, whose open files nobody can remove."""
    monkeypatch.setattr(outputs, "fcntl", None)
    (tmp_path / ".fastbp-1.unfinished").touch()
    check_writable(tmp_path / "a")
    write(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]
