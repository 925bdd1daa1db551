"""The formats of logs, and how their lines are written without blocking."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue

import pytest
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from holm_registry.logs.access_log import AccessLogWriter
from holm_registry.logs.formats import make_format
from holm_registry.logs.line_writer import LineWriter, stream_writer
from holm_registry.logs.observer import Log


def event(level=LogLevel.info, text="committed {what}", **fields):
    return {
        "log_time": 1_700_000_000.25,
        "log_level": level,
        "log_namespace": "holm_registry.x",
        "log_format": text,
        **fields,
    }


def test_text_ends_with_the_fields():
    line = make_format("text", {"service": "registry", "rack": 7})(event(what="a"))
    assert line.endswith(" [holm_registry.x#info] committed a service=registry rack=7\n")
    assert make_format("text", {})(event(what="a")).endswith(" committed a\n")


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (LogLevel.debug, "debug"),
        (LogLevel.info, "info"),
        (LogLevel.warn, "warning"),
        (LogLevel.error, "error"),
        (LogLevel.critical, "error"),
    ],
)
def test_json_has_the_keys_of_registry2(level, name):
    line = make_format("json", {"service": "registry"})(event(level, what="a", request_id="7"))
    assert line.endswith("}\n")
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": name,
        "msg": "committed a",
        "service": "registry",
        "logger": "holm_registry.x",
        "what": "a",
        "request_id": "7",
    }


def test_logstash_has_its_own_keys():
    assert json.loads(make_format("logstash", {})(event(what="a"))) == {
        "@timestamp": "2023-11-14T22:13:20.250Z",
        "@version": "1",
        "level": "info",
        "message": "committed a",
        "logger": "holm_registry.x",
        "what": "a",
    }


def failure_of(function):
    try:
        function()
    except Exception:
        return Failure()


@pytest.mark.parametrize("formatter", ["text", "json", "logstash"])
def test_a_failure_is_written_with_where_it_came_from(formatter):
    failure = failure_of(lambda: {}["what\nwas wrong"])
    found = event(LogLevel.critical, "request {id} failed", id=1, log_failure=failure)
    text = make_format(formatter, {"a": "b"})(found)
    assert "KeyError" in text
    assert "test_logs.py" in text
    if formatter != "text":
        assert text.count("\n") == 1


@pytest.mark.parametrize("formatter", ["text", "json", "logstash"])
def test_what_says_nothing_is_not_written(formatter):
    assert not make_format(formatter, {})(event(text=""))


def test_what_is_logged_about_objects_is_their_text_alone():
    line = make_format("json", {})(event(what={"password": "secret"}, text="hello"))
    assert "secret" not in line


def test_a_file_can_be_moved_away_and_opened_again(tmp_path):
    path = tmp_path / "log"
    log = Log()
    log.configure("info", "json", {}, str(path))
    logger = Logger(namespace="x", observer=log.observer())
    logger.info("one")
    os.rename(path, tmp_path / "old")
    logger.info("two")
    log.reopen()
    logger.info("three")
    log.close()
    assert [json.loads(line)["msg"] for line in (tmp_path / "old").read_text().splitlines()] == [
        "one",
        "two",
    ]
    assert [json.loads(line)["msg"] for line in path.read_text().splitlines()] == ["three"]


def test_the_level_can_change_while_it_is_in_use(tmp_path):
    path = tmp_path / "log"
    log = Log()
    log.configure("warn", "json", {}, str(path))
    observer = log.observer()
    ours, theirs = Logger("x", observer=observer), Logger("twisted.web", observer=observer)
    for level in ("warn", "info", "debug"):
        log.set_level(level)
        ours.info(f"ours at {level}")
        theirs.info(f"theirs at {level}")
        theirs.warn(f"their warning at {level}")
    log.close()
    assert [json.loads(line)["msg"] for line in path.read_text().splitlines()] == [
        "their warning at warn",
        "ours at info",
        "their warning at info",
        "ours at debug",
        "theirs at debug",
        "their warning at debug",
    ]


@pytest.fixture
def pipe():
    """The end of a pipe that is read, and a stream that writes to it."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    yield reading, stream
    with suppress(OSError):
        os.close(reading)
    with suppress(OSError):
        stream.close()


def read_all(reading: int) -> str:
    return b"".join(iter(lambda: os.read(reading, 65536), b"")).decode()


def test_an_access_log_that_nobody_reads_any_more_ends_and_is_no_fault(pipe):
    reading, stream = pipe
    os.close(reading)
    log, writer = AccessLogWriter(stream), stream_writer("access", stream)
    log.write("a")
    assert writer.flush()
    assert isinstance(writer.error, BrokenPipeError)
    log.write("b")
    log.write("c")
    assert writer.flush()


def test_a_reader_that_stands_still_keeps_nobody_waiting_and_what_is_dropped_is_counted(pipe):
    reading, stream = pipe
    writer = stream_writer("access", stream)
    line = f"{'x' * 999}\n"
    taken = [writer.write(line) for _ in range(3000)]
    assert 1000 < sum(taken) < 1200, "as much as fits the queue and the pipe"
    assert writer.dropped == 3000 - sum(taken)
    assert not writer.flush(0.01)
    reader = ThreadPoolExecutor(1).submit(read_all, reading)
    assert writer.flush()
    stream.close()
    assert reader.result(60) == line * sum(taken)


def test_all_that_write_to_a_stream_share_its_thread(pipe):
    _, stream = pipe
    assert stream_writer("access", stream) is stream_writer("access", stream)


def test_lines_that_follow_each_other_closely_are_written_together():
    written = SimpleQueue()
    writer = LineWriter("access", written.put, batch_seconds=3600.0)
    writer.write("a")
    assert written.get(timeout=60) == b"a", "a line alone waits for no others"
    for line in "bcd":
        writer.write(line)
    assert writer.flush(60)
    assert written.get(timeout=60) == b"bcd"
    long = "x" * 40_000
    writer.write(long)
    writer.write(long)
    assert written.get(timeout=60) == 2 * long.encode(), "enough for a step waits no longer"
