"""The timer wheel against a dictionary: possibly late, never early, never twice, never after cancel."""

from __future__ import annotations

import random

import pytest

from sippx._core.wheel import Wheel

CONFIGURATIONS = {
    "near": {"start": 0, "ahead": 5, "advance": 3},
    "one level": {"start": 17, "ahead": 64, "advance": 40},
    "two levels": {"start": 4090, "ahead": 4096, "advance": 300},
    "far": {"start": 1 << 30, "ahead": 1 << 28, "advance": 1 << 20},
    "mixed": {"start": (1 << 36) - 50, "ahead": 1 << 12, "advance": 100},
    "leaps": {"start": 123456789, "ahead": 1 << 24, "advance": 1 << 30},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("seed", range(4))
def test_timers_fire_once_and_neither_early_nor_late(name: str, seed: int) -> None:
    chosen = CONFIGURATIONS[name]
    rng = random.Random(f"{name}{seed}")
    wheel, due_at = Wheel(64, chosen["start"]), dict[int, int]()
    for _ in range(400):
        action = rng.random()
        if action < 0.5:
            timer, expiry = rng.randrange(64), wheel.now + rng.randrange(chosen["ahead"])
            wheel.schedule(timer, expiry)
            due_at[timer] = expiry
        elif action < 0.65:
            timer = rng.randrange(64)
            wheel.cancel(timer)
            due_at.pop(timer, None)
        else:
            now = wheel.now + rng.randrange(chosen["advance"])
            if due_at:
                assert wheel.next is not None
                assert wheel.next <= max(wheel.now, min(due_at.values()))
            wheel.advance(now)
            fired = list(iter(wheel.pop, None))
            assert sorted(fired) == sorted(timer for timer, expiry in due_at.items() if expiry <= now)
            for timer in fired:
                del due_at[timer]
        assert len(wheel) == len(due_at)
        wheel.check()


def test_advance_past_level_boundary_fires_once() -> None:
    wheel = Wheel(1, 63)
    wheel.schedule(0, 64)
    wheel.advance(65)
    assert (wheel.pop(), wheel.pop()) == (0, None)


def test_a_timer_in_the_past_fires_at_the_next_turn() -> None:
    wheel = Wheel(1, 100)
    wheel.schedule(0, 5)
    assert wheel.next == 100
    assert wheel.pop() == 0


def test_a_due_timer_can_still_be_cancelled() -> None:
    wheel = Wheel(2, 0)
    for timer in (0, 1):
        wheel.schedule(timer, 1)
    wheel.advance(1)
    first = wheel.pop()
    assert first is not None
    wheel.cancel(1 - first)
    assert wheel.pop() is None
    wheel.check()


def test_an_empty_wheel_has_no_next_timer() -> None:
    assert Wheel(1).next is None


def test_a_timer_may_be_as_far_ahead_as_ticks_go() -> None:
    wheel = Wheel(1, 5)
    wheel.schedule(0, 2**64 - 1)
    wheel.advance(2**64 - 2)
    assert wheel.pop() is None
    wheel.advance(2**64 - 1)
    assert wheel.pop() == 0
