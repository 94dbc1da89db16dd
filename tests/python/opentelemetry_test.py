"""Spans from the events of a client, as OpenTelemetry's SDK exports them."""

import threading
import time
import unittest

from package_case import PackageCase, eventually  # isort: split

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from distributed_lock import Client, Election, LockLost, LockTimeout, Mutex, SharedMutex
from distributed_lock.opentelemetry import Spans
from distributed_lock.testing import Server, lose


class Tracing(PackageCase):
    def setUp(self):
        super().setUp()
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.addCleanup(self.provider.shutdown)

    def client(self, **options):
        return Client(self.redis, on_event=Spans(self.provider), **options)

    def spans(self, *names):
        """All spans, once there are as many as names."""
        self.assertTrue(eventually(lambda: len(self.exporter.get_finished_spans()) >= len(names)))
        spans = self.exporter.get_finished_spans()
        self.assertEqual([span.name for span in spans], list(names))
        return spans

    def test_an_acquisition_and_its_release_are_two_spans(self):
        client, begin = self.client(prefix="p:"), time.time_ns()
        with Mutex(client, "job") as lease:
            time.sleep(0.02)
        acquire, hold = self.spans("dlock acquire", "dlock hold")
        slack = 100_000_000  # ns; the durations are measured by another clock
        self.assertTrue(begin - slack <= acquire.start_time < acquire.end_time)
        self.assertLess(abs(hold.start_time - acquire.end_time), slack)
        self.assertGreaterEqual(hold.end_time - hold.start_time, 20_000_000)
        self.assertLess(hold.end_time, time.time_ns() + slack)
        lock = {"dlock.lock.name": "job", "dlock.lock.kind": "mutex", "dlock.fence": str(lease.fence)}
        self.assertEqual(acquire.attributes, {**lock, "dlock.way": "request"})
        self.assertEqual(hold.attributes, lock)
        for span in acquire, hold:
            self.assertEqual((span.status.status_code, span.parent), (StatusCode.UNSET, None))
            self.assertEqual(span.instrumentation_scope.name, "distributed_lock")
            self.assertTrue(span.instrumentation_scope.version)

    def test_a_server_that_confirms_late_does_not_move_the_span(self):
        with Server() as server:
            client = Client(server.url, on_event=Spans(self.provider))
            lease = Mutex(client, "job").acquire()
            server.pause()
            threading.Timer(0.5, server.resume).start()
            lease.release()
            acquire, hold = self.spans("dlock acquire", "dlock hold")
        self.assertLess(abs(hold.start_time - acquire.end_time), 250_000_000)
        self.assertLess(hold.end_time - hold.start_time, 250_000_000)

    def test_a_wait_that_ran_out_says_who_held_the_lock(self):
        client = self.client(slow_wait=0.02)
        with self.held_elsewhere("job"):
            self.assertRaises(LockTimeout, Mutex(client, "job").acquire, 0.3)
            wait, acquire = self.spans("dlock wait", "dlock acquire")
        self.assertEqual((wait.attributes["dlock.holder.program"][:6], wait.attributes["dlock.waiters"],
                          wait.attributes["dlock.place"]), ("python", 1, 1))
        self.assertGreater(wait.attributes["dlock.holder.pid"], 0)
        self.assertEqual(wait.status.status_code, StatusCode.UNSET)
        self.assertEqual((acquire.status.status_code, acquire.attributes["error.type"]),
                         (StatusCode.ERROR, "timed_out"))
        self.assertIn('"job"', acquire.status.description)
        self.assertGreaterEqual(acquire.end_time - acquire.start_time, 300_000_000)

    def test_a_lost_lease_and_a_leadership_have_spans(self):
        client = self.client()
        with self.assertRaises(LockLost), SharedMutex(client, "map").read as lease:
            lose(client, lease)
        hold = self.spans("dlock acquire", "dlock hold")[1]
        self.assertEqual((hold.status.status_code, hold.attributes["error.type"],
                          hold.attributes["dlock.lock.kind"]), (StatusCode.ERROR, "broken", "reader"))
        self.exporter.clear()
        Election(client, "web").campaign().resign()
        self.spans("dlock acquire", "dlock lead", "dlock hold")

    def test_a_program_says_what_the_parents_are(self):
        requests = {}
        spans = Spans(self.provider, context=lambda event: requests.get(event.name))
        tracer = trace.get_tracer("shop", tracer_provider=self.provider)
        with tracer.start_as_current_span("request") as request:
            requests["job"] = trace.set_span_in_context(request)
            with Mutex(Client(self.redis, on_event=spans), "job"):
                pass
            self.spans("dlock acquire", "dlock hold")
        acquire, hold, _ = self.spans("dlock acquire", "dlock hold", "request")
        for span in acquire, hold:
            self.assertEqual(span.parent.span_id, request.get_span_context().span_id)

    def test_without_opentelemetry_the_error_says_what_to_do(self):
        process = self.start("import sys; sys.modules['opentelemetry.trace'] = None\n"
                             "try: import distributed_lock.opentelemetry\n"
                             "except ImportError as error: sys.exit(str(error))")
        _, error = self.assert_ends(process, 1)
        self.assertIn("pip install opentelemetry-api", error)


if __name__ == "__main__":
    unittest.main()
