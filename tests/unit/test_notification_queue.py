"""Events wait on disk: in order, within bounds, and through any crash."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holm_registry.notifications import queue as module
from holm_registry.notifications.events import is_event
from holm_registry.notifications.queue import EventQueue
from holm_registry.notifications.queue_directories import QueueDirectories, queue_directory


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "queue")


def drained(queue):
    found = []
    while (entry := queue.peek()) is not None:
        found.append(entry.line)
        assert len(found) < 100_000, "it does not advance"
        queue.advance(entry)
    return found


def test_what_is_put_in_comes_out_in_order_also_after_a_restart(folder):
    queue = EventQueue(folder)
    for each in (b"1", b"2", b"3"):
        queue.append(each)
    queue.advance(queue.peek())
    again = EventQueue(folder)
    assert again.pending == 2
    again.append(b"4")
    assert drained(again) == [b"2", b"3", b"4"]
    assert again.pending == 0
    assert drained(EventQueue(folder)) == []


def test_what_was_delivered_leaves_nothing_behind(folder, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 10)
    queue = EventQueue(folder)
    for _ in range(20):
        queue.append(b"123456")
    assert len(drained(queue)) == 20
    assert len(os.listdir(folder)) <= 2


def test_a_line_half_written_is_passed_over(folder):
    queue = EventQueue(folder)
    queue.append(b"whole")
    (segment,) = [name for name in os.listdir(folder) if name.endswith(".jsonl")]
    with open(f"{folder}/{segment}", "ab") as file:
        file.write(b'{"half')
    again = EventQueue(folder)
    again.append(b"next")
    assert again.pending == 2
    assert drained(again) == [b"whole", b"next"]


@pytest.mark.parametrize("content", [b"", b"[1", b'["a", "b"]', None])
def test_without_knowing_how_far_it_was_all_is_delivered_again(folder, content):
    queue = EventQueue(folder)
    for each in (b"1", b"2"):
        queue.append(each)
    queue.advance(queue.peek())
    if content is None:
        os.unlink(f"{folder}/position")
    else:
        with open(f"{folder}/position", "wb") as file:
            file.write(content)
    assert drained(EventQueue(folder)) == [b"1", b"2"]


def test_too_much_gives_up_the_oldest_and_keeps_it_to_be_looked_at(folder, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 100)
    queue = EventQueue(folder, max_bytes=500)
    lines = [b"%09d" % number for number in range(100)]
    first = None
    for line in lines:
        queue.append(line)
        first = first or queue.peek()
    queue.advance(first)
    assert queue.pending <= 60
    assert queue.dead_letters + queue.pending == 100
    with open(f"{folder}/dead.jsonl", "rb") as file:
        dead = file.read().splitlines()
    assert dead + drained(queue) == lines


def test_what_is_buried_is_kept_within_bounds(folder, monkeypatch):
    monkeypatch.setattr(module, "MAX_DEAD_LETTER_BYTES", 50)
    queue = EventQueue(folder)
    for number in range(30):
        queue.append(b"%09d" % number)
        queue.dead_letter(queue.peek())
    assert (queue.dead_letters, queue.pending) == (30, 0)
    names = ["dead.jsonl", "dead.older.jsonl"]
    assert all(os.path.getsize(f"{folder}/{name}") <= 60 for name in names)
    with open(f"{folder}/dead.jsonl", "rb") as file:
        assert file.read().splitlines()[-1] == b"%09d" % 29


def test_a_full_disk_leaves_no_half_line(folder, monkeypatch):
    queue = EventQueue(folder)
    queue.append(b"one")
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, content, at: real(file, content[:2], at))
    with pytest.raises(OSError, match="No space"):
        queue.append(b"two")
    monkeypatch.setattr(os, "pwrite", real)
    queue.append(b"three")
    assert drained(queue) == [b"one", b"three"]


def test_each_process_has_a_folder_and_takes_over_what_another_has_left(tmp_path):
    folder = str(tmp_path / "events")
    first, second = QueueDirectories(folder), QueueDirectories(folder)
    assert first.own != second.own
    assert not first.orphaned
    assert not second.orphaned
    for directories in (first, second):
        directories.close()
    third = QueueDirectories(folder)
    assert {third.own, *third.orphaned} == {first.own, second.own}
    fourth = QueueDirectories(folder)
    assert fourth.own not in {first.own, second.own}
    for directories in (third, fourth):
        directories.close()


def test_a_name_of_an_endpoint_leads_nowhere_else(tmp_path):
    folder = queue_directory(str(tmp_path), "../../etc/x y")
    assert os.path.dirname(folder) == str(tmp_path)


class Life(RuleBasedStateMachine):
    """A queue against a list, with restarts at any time."""

    @initialize()
    def begin(self):
        self.folder = tempfile.mkdtemp()
        self.segment_bytes = module.SEGMENT_BYTES
        module.SEGMENT_BYTES = 40
        self.queue = EventQueue(self.folder, max_bytes=10**6)
        self.waiting: list[bytes] = []
        self.count = 0

    @rule(size=st.integers(0, 60))
    def append(self, size):
        self.count += 1
        line = b"%d" % self.count + b"x" * size
        self.queue.append(line)
        self.waiting.append(line)

    @precondition(lambda self: self.waiting)
    @rule(gives_up=st.booleans())
    def take(self, gives_up):
        entry = self.queue.peek()
        assert entry.line == self.waiting.pop(0)
        (self.queue.dead_letter if gives_up else self.queue.advance)(entry)
        self.queue.advance(entry)

    @rule()
    def restart(self):
        self.queue = EventQueue(self.folder, max_bytes=10**6)

    @invariant()
    def the_first_is_the_oldest(self):
        if hasattr(self, "queue"):
            entry = self.queue.peek()
            assert (entry and entry.line) == (self.waiting[0] if self.waiting else None)
            assert self.queue.pending == len(self.waiting)

    def teardown(self):
        if hasattr(self, "queue"):
            assert drained(self.queue) == self.waiting
            module.SEGMENT_BYTES = self.segment_bytes
            shutil.rmtree(self.folder)


TestLife = Life.TestCase


def segment_of(folder) -> str:
    (name,) = [name for name in os.listdir(folder) if name.endswith(".jsonl")]
    return f"{folder}/{name}"


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 4096,
        b"\0" * 4096 + b"\n",
        b'{"id":"torn',
        b'{"id":"\xff\xfe"}\n',
        b"[]\n",
        b"not JSON\n",
        b"\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=["zeros", "a line of zeros", "torn", "not UTF-8", "no event", "text", "empty", "deep"],
)
def test_what_cannot_be_read_is_set_aside_and_counted_and_stops_nothing(folder, damage):
    queue = EventQueue(folder, is_valid=is_event)
    queue.append(b'{"id":"1"}')
    with open(segment_of(folder), "ab") as file:
        file.write(damage)
    again = EventQueue(folder, is_valid=is_event)
    again.append(b'{"id":"2"}')
    assert drained(again) == [b'{"id":"1"}', b'{"id":"2"}']
    assert (again.pending, again.damaged) == (0, 1)
    with open(f"{folder}/damaged", "rb") as file:
        assert file.read().startswith(damage[:100].rstrip(b"\n"))


def test_a_page_lost_in_the_middle_of_a_segment_costs_what_lay_in_it(folder):
    queue = EventQueue(folder, is_valid=is_event)
    lines = [b'{"id":"%04d"}' % number for number in range(1000)]
    for line in lines:
        queue.append(line)
    with open(segment_of(folder), "r+b") as file:
        file.seek(4096)
        file.write(b"\0" * 4096)
    left = drained(EventQueue(folder, is_valid=is_event))
    assert left == lines[: 4096 // 14] + lines[-(-8192 // 14) :]


def test_a_line_that_is_longer_than_any_is_passed_over(folder, monkeypatch):
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 1000)
    queue = EventQueue(folder, is_valid=is_event)
    for line in (b"{}", b'{"a":"%b"}' % (b"x" * 5000), b"{}"):
        queue.append(line)
    assert drained(queue) == [b"{}", b"{}"]
    assert queue.pending == 0


@pytest.mark.parametrize(
    "position", [b"\0" * 20, b"[9999999999,0]", b"[-1,0]", b"[1,99999]", b"[1,-1]"]
)
def test_a_damaged_cursor_hides_nothing(folder, position):
    queue = EventQueue(folder, is_valid=is_event)
    queue.append(b'{"id":"1"}')
    with open(f"{folder}/position", "wb") as file:
        file.write(position)
    again = EventQueue(folder, is_valid=is_event)
    again.append(b'{"id":"2"}')
    assert drained(again) == [b'{"id":"1"}', b'{"id":"2"}']


def test_what_is_not_ours_in_the_folders_is_left_alone(tmp_path):
    events = tmp_path / "events"
    for name in ("@eaDir", "\N{SUPERSCRIPT TWO}", "1 (copy)"):
        (events / name).mkdir(parents=True)
    (events / "7").write_text("a file")
    directories = QueueDirectories(str(events))
    assert (directories.own, directories.orphaned) == (f"{events}/0", [])
    folder = queue_directory(directories.own, "a")
    os.makedirs(f"{folder}/0000000005.jsonl")
    os.mkfifo(f"{folder}/0000000006.jsonl")
    for name in ("\N{SUPERSCRIPT TWO}.jsonl", "1.jsonl", "notes.txt"):
        with open(f"{folder}/{name}", "w") as file:
            file.write("{}\n")
    assert drained(EventQueue(folder, is_valid=is_event)) == []
