"""The span store: what can be seen, when, and how much is kept."""

import threading

from runbook_lib.sandbox.store.spans import create_store


def names(store, trace_id=b"\0" * 15 + b"\1"):
    trace = store.trace(trace_id)
    return [span.name for span in trace.spans] if trace else []


def test_a_span_is_visible_at_once_without_an_ingest_delay(make, new_store):
    assert names(new_store([make.span("a")])) == ["a"]


def test_a_span_becomes_visible_only_after_the_ingest_delay(make, new_store, clock):
    store = new_store([make.span("early")], ingest_delay_s=30)
    assert store.traces() == []
    clock.forward(seconds=20)
    store.add([make.span("late")])
    clock.forward(seconds=15)
    assert names(store) == ["early"]
    clock.forward(seconds=15)
    assert names(store) == ["early", "late"]


def test_the_ingest_delay_can_be_changed_while_in_use(make, new_store):
    store = new_store([make.span("a")], ingest_delay_s=60)
    assert names(store) == []
    store.ingest_delay_s = 0
    assert names(store) == ["a"]
    store.ingest_delay_s = 60
    assert names(store) == []


def test_spans_stay_visible_when_the_clock_goes_back(make, new_store, clock):
    store = new_store([make.span("a")])
    clock.forward(seconds=-3600)
    store.add([make.span("b")])
    assert names(store) == ["a", "b"]


def test_a_clock_that_goes_back_shows_nothing_before_its_time(make, new_store, clock):
    store = new_store([make.span("a")], ingest_delay_s=30)
    clock.forward(seconds=-60)
    store.add([make.span("b")])
    clock.forward(seconds=40)
    assert names(store) == []
    clock.forward(seconds=50)
    assert names(store) == ["a", "b"]


def test_a_trace_is_gone_when_its_last_end_is_older_than_the_retention(make, new_store, clock):
    store = new_store([make.span("a", duration_ms=10_000)], retention_s=60)
    clock.forward(seconds=69)
    assert names(store) == ["a"]
    clock.forward(seconds=2)
    assert names(store) == []
    assert store.traces() == []
    assert store.span_count == 0


def test_a_trace_that_was_old_on_arrival_cannot_be_seen(make, new_store):
    assert names(new_store([make.span("a", start_ms=-120_000)], retention_s=60)) == []


def test_forget_drops_one_trace_by_bytes_or_hex_or_all(make, new_maker, new_store):
    others = [new_maker(trace=2).span("b"), new_maker(trace=3).span("c")]
    store = new_store([make.span("a1"), make.span("a2"), *others])
    assert store.forget("1") == 2
    assert store.forget(b"\0" * 15 + b"\2") == 1
    assert store.forget("ff") == 0
    assert [t.spans[0].name for t in store.traces()] == ["c"]
    assert store.forget() == 1
    assert store.traces() == []


def test_a_full_store_drops_the_trace_that_began_to_arrive_first(new_maker, new_store):
    store = new_store(max_spans=4)
    for number in (1, 2, 3):
        maker = new_maker(trace=number)
        store.add([maker.span(f"t{number}"), maker.span(f"t{number}")])
    assert [trace.spans[0].name for trace in store.traces()] == ["t2", "t3"]
    assert store.span_count == 4


def test_one_trace_larger_than_the_bound_is_kept_whole(make, new_store):
    store = new_store([make.span() for _ in range(20)], max_spans=5)
    assert len(store.traces()[0].spans) == 20


def test_a_window_finds_the_traces_that_overlap_it(new_maker, new_store):
    spans = [new_maker(trace=n).span(f"t{n}", start_ms=n * 1000, duration_ms=500) for n in range(5)]
    store = new_store(spans)
    found = store.traces(spans[1].end_ns, spans[3].start_ns)
    assert [trace.spans[0].name for trace in found] == ["t1", "t2", "t3"]


def test_a_trace_knows_its_root_its_bounds_and_its_families(make, new_store):
    root = make.span("root", duration_ms=100)
    child = make.span("child", parent=root, start_ms=20)
    lost = make.span("lost", start_ms=50, duration_ms=80)
    lost.parent_id = b"missing!"
    trace = new_store([child, lost, root]).traces()[0]
    assert trace.root is root
    assert trace.duration_ns == 130 * 10**6
    assert trace.parent(child) is root
    assert trace.parent(lost) is None
    assert trace.children[root.span_id] == [child]


def test_of_two_spans_with_one_id_the_first_that_arrived_is_the_parent(make, new_store):
    first, second = make.span("first"), make.span("second")
    second.span_id = first.span_id
    child = make.span("child", parent=first)
    assert new_store([first, second, child]).traces()[0].parent(child) is first


def test_a_trace_without_its_root_has_none(make, new_store):
    child = make.span(parent=make.span())
    assert new_store([child]).traces()[0].root is None


def test_a_span_that_is_its_own_parent_has_no_parent(make, new_store):
    span = make.span()
    span.parent_id = span.span_id
    assert new_store([span]).traces()[0].parent(span) is None


def test_threads_may_add_and_read_at_the_same_time(new_maker, clock):
    store = create_store(now=clock)
    makers = [new_maker(trace=n) for n in range(1, 5)]

    def add(maker):
        for _ in range(200):
            store.add([maker.span()])
            store.traces()

    threads = [threading.Thread(target=add, args=(maker,)) for maker in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.span_count == 800
    assert sum(len(trace.spans) for trace in store.traces()) == 800
