"""Functions that the tests of the engine run in other processes."""

import contextlib
import importlib
import json
import os
import pickle
import signal
import struct
import sys
import time
from pathlib import Path


def double(number):
    return 2 * number


def process_id(_):
    return os.getpid()


def fail(number):
    raise ValueError(f"no good: {number}")


def hang(path):
    Path(path).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(600)


def hang_on_three(number):
    if number == 3:
        time.sleep(600)
    return number


def hang_with_a_trace(path):
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("x")
    time.sleep(600)


def fail_with_a_trace(path):
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("x")
    raise ValueError("no good")


def settings(_):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: os.environ.get(name) for name in names}, signal.getsignal(signal.SIGINT)


def die(path):
    """Kill the own process; a second call finds the trace of the first."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


def die_the_first_time(path):
    if Path(path).exists():
        return "second time"
    return die(path)


def allocate(count):
    return len(bytearray(count))


def print_and_double(number):
    sys.stdout.write("noise on standard output")
    sys.stdout.flush()
    os.write(1, b"more noise")
    return 2 * number


def loaded_modules(_):
    return sorted(sys.modules)


def unpicklable(_):
    return lambda: None


def make_state():
    return {"pid": os.getpid(), "calls": 0}


def count_calls(state, number):
    state["calls"] += 1
    return state["pid"], state["calls"], number


def slow_double(number):
    time.sleep(0.2)
    return 2 * number


def process_id_after_a_moment(_):
    time.sleep(0.1)
    return os.getpid()


class Notebook:
    def __init__(self, engine):
        self.engine, self.pages = engine, []


def make_notebook(engine):
    return Notebook(engine)


def note(notebook, number):
    """Let the engine of the machine do the work, and keep its answer."""
    page = (number, notebook.engine.submit(double, number).result())
    notebook.pages.append(page)
    return os.getpid(), [*notebook.pages[:-1], page]


def tear(notebook, page):
    raise ValueError(f"torn: {page}")


def environment(_):
    return json.dumps(sorted(os.environ)).encode()


def same_bytes(argument):
    return argument


def append_to(path):
    with Path(path).open("ab") as file:
        file.write(b"written")
    return b""


class Forged:
    """Its pickle makes a file wherever it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def forged(path):
    return Forged(path)


def forge_replies(path):
    """Write replies past the worker, as code that took it over could: pickled, and of a length without end."""
    reply = b"p" + pickle.dumps(Forged(path))
    for descriptor in range(3, 30):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack(">Q", len(reply)) + reply)
    time.sleep(60)


def announce_too_much(_):
    for descriptor in range(3, 30):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack(">Q", 1 << 60) + b"b")
    time.sleep(60)


def fail_in_odd_letters(_):
    raise ValueError("\udcff\x1b[31m")


class NotLoaded:
    """A function that ends the process which loads it, or that cannot be loaded there."""

    def __init__(self, *, ends):
        self.ends = ends

    def __reduce__(self):
        return (os._exit, (3,)) if self.ends else (importlib.import_module, ("no_such_module",))
