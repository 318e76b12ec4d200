"""One harvest, one review, and one command that deletes or rewrites pictures at a time."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack

import pytest

from imgkit.errors import LockedError
from imgkit.manifest import exclusive_access, sole_owner

HOLDER = (
    "import sys; from pathlib import Path; from imgkit.manifest import exclusive_access\n"
    "with exclusive_access(Path(sys.argv[1]), 'remove', running=('harvest', 'review')):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def locks(tmp_path):
    return tmp_path / ".locks"


def take(locks, command, **arguments):
    with exclusive_access(locks, command, **arguments):
        pass


def test_the_refusal_names_the_command_that_holds_the_lock_its_process_and_its_start(locks):
    with exclusive_access(locks, "remove"), pytest.raises(LockedError) as refused:
        take(locks, "curate")

    assert re.fullmatch(
        rf"remove \(pid {os.getpid()}, started \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\) is using "
        rf"{re.escape(str(locks.parent))}\. Nothing was changed\. Wait for it to end, or choose another folder with "
        r"--data\.",
        str(refused.value),
    )


def test_the_same_command_twice_is_called_another(locks):
    with exclusive_access(locks, "curate"), pytest.raises(LockedError, match=r"^another curate "):
        take(locks, "curate")


def test_the_lock_is_free_when_its_owner_ends_and_when_it_fails(locks):
    take(locks, "curate")
    with pytest.raises(ZeroDivisionError), exclusive_access(locks, "curate"):
        raise ZeroDivisionError
    take(locks, "curate")


def test_a_search_and_a_review_run_beside_a_command_that_rewrites(locks):
    with sole_owner(locks, "harvest"), sole_owner(locks, "review"), exclusive_access(locks, "curate"):
        pass


@pytest.mark.parametrize("running", ["harvest", "review"])
def test_what_keeps_pictures_in_memory_refuses_a_command_that_removes_them(locks, running):
    with sole_owner(locks, running), pytest.raises(LockedError, match=rf"^{running} .pid"):
        take(locks, "remove", running=("harvest", "review"))

    take(locks, "remove", running=("harvest", "review"))


@pytest.mark.parametrize("starting", ["harvest", "review"])
def test_what_keeps_pictures_in_memory_does_not_start_while_they_are_removed(locks, starting):
    with (
        exclusive_access(locks, "remove", running=("harvest", "review")),
        pytest.raises(LockedError, match=r"^remove .pid"),
        sole_owner(locks, starting),
    ):
        pass


def test_whoever_waits_is_told_for_whom_and_goes_on_when_the_lock_is_free(locks):
    held, told = ExitStack(), []
    held.enter_context(exclusive_access(locks, "curate"))

    def waiting(line):
        told.append(line)
        held.close()

    take(locks, "harvest", waiting=waiting)

    assert len(told) == 1
    assert re.fullmatch(rf"waiting for curate \(pid {os.getpid()}, started .*\) to end", told[0])


def test_the_lock_of_a_killed_process_is_free_and_nobody_is_named_by_its_leftovers(locks):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(locks)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=rf"^remove .pid {holder.pid}, "):
            take(locks, "curate")
        holder.kill()
        holder.wait()

    with exclusive_access(locks, "curate"), pytest.raises(LockedError, match=rf"^curate .pid {os.getpid()}, "):
        take(locks, "remove")
