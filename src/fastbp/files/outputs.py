"""Writing a file whole or not at all, over what is there, and finding out beforehand whether that will work.

A file is written beside the old one, under a short name of its own, and renamed when it is whole on the disk. So
a full disk, an error or a kill leaves the old one as it was. A link stays where it is, and what it leads to is
replaced. What is no file on a disk, /dev/null or a pipe, cannot be replaced: it is written into.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

from fastbp import checks

try:
    import fcntl
except ImportError:  # Windows has none: there nobody can remove a file that is open
    fcntl = None  # type: ignore[assignment]

StrPath = str | os.PathLike[str]

# Around the name of a file that is being written. It does not hold the name of the file to be, which may already be
# as long as the system allows.
STARTED, UNFINISHED = ".fastbp-", ".unfinished"
MAX_LINKS = 40  # that follow one another: Linux's own limit


class Place(NamedTuple):
    """Where an output goes."""

    path: str  # at the end of all links
    old: os.stat_result | None  # what is there
    descriptor: int | None  # of this process, where the path names one: /dev/stdout

    @property
    def replaced(self) -> bool:
        """Whether it is a file, old or new, and not something to write into."""
        return self.descriptor is None and (self.old is None or stat.S_ISREG(self.old.st_mode))

    @property
    def folder(self) -> str:
        """Where a new file would be made."""
        return os.path.dirname(self.path) or os.curdir


def check_writable(path: StrPath, argument: str = "path", *, only_files: bool = False) -> Path:
    """Try whether `replacing` can write to a path, before the work that there is to write.

    Parameters
    ----------
    path : str or path
    argument : str
        What it is called in messages.
    only_files : bool
        Refuse what cannot be read back: devices, pipes, descriptors.

    Returns
    -------
    Path
        The same path. Nothing was changed, and nothing is left.

    Raises
    ------
    TypeError, ValueError
        If it is no path.
    OSError
        If it cannot be written, with the path as it was given: FileNotFoundError without its folder,
        PermissionError, IsADirectoryError, or a plain one, as for a name that is too long.

    Examples
    --------
    >>> from fastbp.files.outputs import check_writable
    >>> check_writable("nowhere/model.fastbp", "out")
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] out cannot be written: No such file or directory: 'nowhere/model.fastbp'
    """
    checked = checks.file_path(path, argument)
    with _naming(checked, argument):
        place = _place_of(checked)
        if place.replaced:
            _Unfinished(place).discard()
        elif only_files:
            _refuse(errno.EINVAL, "a device or a pipe is no file")
    return Path(path)


@contextlib.contextmanager
def replacing(path: StrPath, argument: str = "path") -> Iterator[IO[bytes]]:
    """Open a binary file to write to, which takes the place of an old one at the end of the block.

    Parameters
    ----------
    path : str or path
        A link's target is replaced, the link stays. A device for characters, a pipe and a descriptor of this
        process, such as /dev/stdout, are written into.
    argument : str
        What the path is called in messages.

    Raises
    ------
    TypeError, ValueError
        If it is no path.
    OSError
        If it cannot be written, see `check_writable`; the old file is as it was, and no part of a new one is left.
    """
    checked = checks.file_path(path, argument)
    with _naming(checked, argument) as ours:
        place = _place_of(checked)
        ours.append(place.path)
        if not place.replaced:
            into = place.path if place.descriptor is None else os.dup(place.descriptor)
            with open(into, "wb") as file:
                yield file
            return
        _sweep(place.folder)
        unfinished = _Unfinished(place)
        try:
            with unfinished.opened() as file:
                yield file
            unfinished.rename(place)
        finally:
            unfinished.discard()


@contextlib.contextmanager
def _naming(path: str, argument: str) -> Iterator[list[str]]:
    """Let errors of the system speak of the path as its user wrote it, not of those in the list, or of none."""
    ours: list[str] = []
    try:
        yield ours
    except OSError as error:
        name = error.filename
        is_other = isinstance(name, str) and name not in ours and not os.path.basename(name).startswith(STARTED)
        if is_other or error.errno is None:
            raise  # it comes from something else that was done inside the block
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"{argument} cannot be written: {reason}", path) from error


def _place_of(path: str) -> Place:
    """Where a path leads; an OSError that says why nothing can be written there."""
    if os.path.basename(path) in ("", os.curdir, os.pardir):
        _refuse(errno.EISDIR)
    try:
        old = os.stat(path)
    except FileNotFoundError:
        old = None
    except OSError as error:
        _refuse(error.errno)
    end = _end_of_links(path)
    if old is None:
        return Place(end, None, None)
    if stat.S_ISDIR(old.st_mode):
        _refuse(errno.EISDIR)
    if stat.S_ISBLK(old.st_mode) or stat.S_ISSOCK(old.st_mode):
        _refuse(errno.EINVAL, "a disk or a socket is no file")
    place = Place(end, old, _descriptor_of(end))
    if place.descriptor is None and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        _refuse(errno.EACCES)
    if place.replaced and _is_kept_from_us(place.folder, old):
        _refuse(errno.EPERM, "another user's file, in a folder in which only owners may replace theirs")
    return place


def _refuse(code: int | None, reason: str = "") -> NoReturn:
    """Raise the system's error, which gets its path in `_naming`."""
    raise OSError(code, reason or os.strerror(code or errno.EINVAL))


def _end_of_links(path: str) -> str:
    """The path to which symbolic links lead; it stops at descriptors of this process, which look like links."""
    for _ in range(MAX_LINKS):
        if not os.path.islink(path) or _descriptor_of(path) is not None:
            break
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return path


def _descriptor_of(path: str) -> int | None:
    """The number of a descriptor of this process, if that is what a path names: /proc/self/fd/1, or /dev/fd/1."""
    name, folder = os.path.basename(path), os.path.realpath(os.path.dirname(path))
    return int(name) if name.isdecimal() and folder in (f"/proc/{os.getpid()}/fd", "/dev/fd") else None


def _is_kept_from_us(folder: str, old: os.stat_result) -> bool:
    """Whether a folder such as /tmp lets this user write a file, but not put another one in its place."""
    where, user = os.stat(folder), getattr(os, "geteuid", lambda: 0)()
    return bool(where.st_mode & stat.S_ISVTX) and user not in (0, old.st_uid, where.st_uid)


# ---------------------------------------------------------------------------- files that are not finished


class _Unfinished:
    """A new file beside the one that it will replace, locked for as long as it is written.

    The lock ends with the process, however that ends: so `_sweep` knows what nobody will ever finish.
    """

    def __init__(self, place: Place) -> None:
        # A file that takes the place of a secret one is no less secret meanwhile.
        mode = 0o666 if place.old is None else 0o600
        while True:
            self.path = os.path.join(place.folder, f"{STARTED}{secrets.token_hex(4)}{UNFINISHED}")
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            try:
                self._handle: int | None = os.open(self.path, flags, mode)
            except FileExistsError:
                continue
            if _lock(self._handle) and _is_at(self.path, self._handle):
                return
            self.discard()  # swept by another process before it was locked

    def opened(self) -> IO[bytes]:
        """The file, to write to; the lock does not end where it is closed."""
        assert self._handle is not None
        return open(os.dup(self._handle), "wb")

    def rename(self, place: Place) -> None:
        """Put the file in its place, once it is on the disk."""
        assert self._handle is not None
        os.fsync(self._handle)
        _take_over(self.path, place.old)
        if fcntl is None:
            self._close()  # Windows renames no open file
        os.replace(self.path, place.path)
        self.path = ""

    def discard(self) -> None:
        """Remove the file, unless it has got its name."""
        if self.path:
            with contextlib.suppress(OSError):
                if fcntl is None:
                    self._close()
                os.unlink(self.path)
        self._close()

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle = None


def _lock(handle: int) -> bool:
    """Whether this process has the file alone now, or no process on this system can tell."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: then `_sweep` gets none either
        return True
    return True


def _is_at(path: str, handle: int) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _sweep(folder: str) -> None:
    """Remove what writers left behind that were killed."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(STARTED) and entry.name.endswith(UNFINISHED):
                _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    """Remove a file, unless a process is writing it, or it is not ours to remove."""
    with contextlib.suppress(OSError):
        if fcntl is not None:
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(handle)
        else:
            os.unlink(path)


def _take_over(path: str, old: os.stat_result | None) -> None:
    """Give a new file the owner and the permissions of the old one, as far as this user may."""
    if old is None:
        return
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(path, old.st_uid, old.st_gid)
    os.chmod(path, stat.S_IMODE(old.st_mode) & 0o777)
