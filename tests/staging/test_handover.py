"""Members handed over by a body that goes on after a soft time limit, or adds them twice."""

from __future__ import annotations

import threading

import pytest
from attempt_run import Run

from rootcellar.staging.publication import handover, output
from rootcellar.staging.publication.folder_upload import FolderUpload
from rootcellar.staging.publication.handover import Handover


@pytest.fixture
def local_run(folder_stores, cache):
    run = Run(folder_stores, cache)
    yield run
    run.session.close()


@pytest.mark.parametrize("method", ["_begin", "_take", "_wait"])
def test_a_body_that_goes_on_after_a_limit_loses_no_member(
    method, striking, folder_stores, cache, monkeypatch
):
    """Wherever it strikes: nothing waits for ever, and all is published in the end."""
    real, names = getattr(Handover, method), tuple("abcdef")
    for step in range(1, 500):
        run, called, struck, done = Run(folder_stores, cache, journal=""), [], [], []

        def strike_once(one, *arguments, step=step, called=called):
            called.append(step)
            if len(called) > 1:
                return real(one, *arguments)
            with striking(step):
                return real(one, *arguments)

        def body(run=run, struck=struck, done=done):
            paths = [run.write(name) for name in names]

            def hand_over():
                for path in paths:
                    run.add(path)
                run.session.finish_handovers()

            try:
                hand_over()
            except striking.error:
                struck.append(True)
                hand_over()
            done.append(run.publish().members)

        monkeypatch.setattr(Handover, method, strike_once)
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        thread.join(20)

        assert [len(names)] == done, f"after step {step}"
        if not struck:
            return
    raise AssertionError("it never ended")


def test_a_member_that_goes_while_it_is_added_again(local_run, monkeypatch, wait_until):
    """It was sent and removed between two looks at it: nothing is to be done."""
    real = output.check_member

    def slow(*arguments):
        wait_until(lambda: not (local_run.path / "a").exists())
        return real(*arguments)

    path = local_run.write("a")
    gate, send = threading.Event(), FolderUpload.send
    monkeypatch.setattr(
        FolderUpload, "send", lambda upload, name: gate.wait(20) and send(upload, name)
    )
    local_run.add(path)
    monkeypatch.setattr(handover, "check_member", lambda *one: (gate.set(), slow(*one))[1])
    local_run.add(path)

    assert 1 == local_run.publish().members
