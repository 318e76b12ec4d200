"""Functions that the tests of the engine run in other processes."""

import os
import signal
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
