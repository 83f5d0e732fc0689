"""Seeds are stable for ever and differ by every part of their path."""

from retouch.core.seeds import MAXIMUM_SEED, derive_seed


def test_value_is_pinned_because_data_sets_depend_on_it() -> None:
    assert derive_seed(0, "rooms", 7) == 8445235616014163042


def test_every_part_of_the_path_matters() -> None:
    paths = [(0,), (0, "a"), (0, "a", "b"), (0, "ab"), (0, "b", "a"), (1, "a"), (0, 1), (0, "1"), (0, "a", 1)]
    seeds = {derive_seed(*path) for path in paths}
    assert len(seeds) == len(paths)
    assert all(0 <= seed <= MAXIMUM_SEED for seed in seeds)
