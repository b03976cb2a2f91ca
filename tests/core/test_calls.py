"""The call table against a dictionary, through growth, rest, death and reuse."""

from __future__ import annotations

import random

import pytest

from sippx._core.calls import SIZEOF_CALL, SIZEOF_CALL_HOT, SIZEOF_RESTING, CallTable


def test_a_call_is_three_hot_cache_lines_and_five_in_all() -> None:
    assert SIZEOF_CALL_HOT <= 192
    assert SIZEOF_CALL + 8 <= 320
    assert SIZEOF_RESTING <= 64


@pytest.mark.parametrize("seed", range(5))
def test_the_table_finds_what_a_dictionary_finds(seed: int) -> None:
    rng, table = random.Random(seed), CallTable(1 << 14, dead_wait_ms=1000, seed=seed + 1)
    model: dict[bytes, str] = {}
    resting: dict[bytes, int] = {}
    now_ms = 0
    for step in range(12_000):
        action = rng.random()
        if action < 0.5:
            call_id = b"%d-%s@host" % (step, b"x" * rng.choice([0, 10, 200]))
            assert table.open(call_id) is not None
            model[call_id] = "open"
        elif action < 0.7 and model:
            call_id = rng.choice(list(model))
            if model[call_id] == "open":
                remember = rng.random() < 0.5
                table.close(call_id, remember=remember, now_ms=now_ms)
                if remember:
                    model[call_id] = "dead"
                else:
                    del model[call_id]
        elif action < 0.8 and model:
            call_id = rng.choice(list(model))
            if model[call_id] == "open" and table.rest(call_id, now_ms + 500):
                model[call_id] = "resting"
                resting[call_id] = now_ms + 500
        elif action < 0.85 and resting:
            call_id = rng.choice(list(resting))
            del resting[call_id]
            assert table.wake(call_id) is not None
            model[call_id] = "open"
        else:
            now_ms += rng.randrange(60)
            over = [call_id for call_id, end_ms in resting.items() if end_ms <= now_ms]
            assert table.end_rests(now_ms) == len(over)
            for call_id in over:
                del model[call_id], resting[call_id]
        for call_id in rng.sample(list(model), min(3, len(model))):
            found = table.find(call_id)
            assert (found if isinstance(found, str) else "open") == model[call_id]
        assert table.find(b"never opened") is None
    table.check()
    assert len(table) == sum(state in ("open", "resting") for state in model.values())
    assert table.n_resting == sum(state == "resting" for state in model.values())


def test_dead_calls_are_forgotten_after_their_time() -> None:
    table = CallTable(100, dead_wait_ms=10)
    table.open(b"a")
    table.close(b"a", remember=True, now_ms=5)
    table.expire_dead(14)
    assert table.find(b"a") == "dead"
    table.expire_dead(15)
    assert table.find(b"a") is None


def test_a_full_slab_refuses_and_recovers() -> None:
    table = CallTable(3)
    assert [table.open(b"%d" % n) for n in range(4)] == [0, 1, 2, None]
    table.close(b"1")
    assert table.open(b"x") == 1


def test_texts_keep_their_content_whatever_their_length() -> None:
    table = CallTable(10)
    for call_id, tag in ((b"short", b"t" * 10), (b"c" * 119, b"long" * 50), (b"d" * 5000, b"e" * 60000)):
        index = table.open(call_id)
        assert index is not None
        assert table.set_peer_tag(call_id, b"first")
        assert table.set_peer_tag(call_id, tag)
        assert table.texts(index) == (call_id, tag)
    table.check()


def test_saved_messages_keep_their_content() -> None:
    table = CallTable(10)
    index = table.open(b"a")
    assert index is not None
    for n in (10, 500, 505, 60_000, 3):
        assert table.save_last(index, bytes([n % 251]) * n)
        assert table.last(index) == bytes([n % 251]) * n


def test_message_memory_is_bounded() -> None:
    table = CallTable(1000, max_block_bytes=1 << 20)
    saved = 0
    for n in range(1000):
        index = table.open(b"%d" % n)
        assert index is not None
        if not table.save_last(index, bytes(60_000)):
            break
        saved += 1
    assert 0 < saved < 20


def test_call_ids_that_once_defeated_the_hash_are_found() -> None:
    factor = (0x8EBC6AF09C88C6E3).to_bytes(8, "little")
    table = CallTable(100, seed=12345)
    ids = [factor + b"%08d" % n for n in range(50)]
    for call_id in ids:
        table.open(call_id)
    assert all(table.find(call_id) is not None for call_id in ids)
    table.check()


def test_the_table_grows_with_its_calls() -> None:
    table = CallTable(1 << 17)
    for n in range(100_000):
        table.open(b"%d@x" % n)
    assert table.n_slots >= 200_000
    assert all(table.find(b"%d@x" % n) == n for n in range(0, 100_000, 97))
    table.check()
