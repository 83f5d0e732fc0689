"""Networks that take turns: alone on the device, the same to the bit, at home again, and known again."""

import copy
import gc
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tests.conftest import MakeCheckpoint
from tests.models.turns import PlayedDevice
from torch import Tensor, nn

from retouch.models.kept import Kept
from retouch.models.resident import CPU, Turns, addresses, device_of, dtype_of, ready, take_turns, takes_turns

READ = torch.ones(1, 64)


@pytest.fixture
def device() -> PlayedDevice:
    return PlayedDevice()


@pytest.fixture
def pair(device: PlayedDevice) -> tuple[nn.Linear, nn.Linear]:
    """Two that take turns."""
    networks = (nn.Linear(64, 64), nn.Linear(64, 64))
    take_turns(networks, Turns(CPU, device))
    return networks


def answer(network: nn.Module, read: Tensor = READ) -> Tensor:
    with ready(network) as device, torch.no_grad():
        return network(read.to(device))


def size(network: nn.Module) -> int:
    return sum(each.nbytes for each in network.parameters())


def places(networks: Sequence[nn.Module]) -> list[int]:
    return [weight.data_ptr() for network in networks for weight in network.parameters()]


def test_one_at_a_time_is_there(pair: tuple[nn.Linear, nn.Linear], device: PlayedDevice) -> None:
    one, other = pair
    before = places(pair)
    wanted = [copy.deepcopy(network)(READ) for network in pair]
    for network in (one, other, other, one):
        assert torch.equal(answer(network), wanted[pair.index(network)])
        assert device.held == size(network)
    assert device.most == size(one)
    # The second call of the other one found it there.
    assert device.brought == 3 * 2
    answer(other)
    assert places([one]) == before[:2]
    assert places([other]) != before[2:]


def test_parameters_stay_the_objects_they_are(pair: tuple[nn.Linear, nn.Linear]) -> None:
    before = [id(weight) for network in pair for weight in network.parameters()]
    for network in pair:
        answer(network)
    assert [id(weight) for network in pair for weight in network.parameters()] == before


def test_buffers_go_along(device: PlayedDevice) -> None:
    norm = nn.BatchNorm1d(64).eval()
    take_turns([norm], Turns(CPU, device))
    answer(norm)
    assert device.brought == 5


def test_an_address_is_that_at_home(pair: tuple[nn.Linear, nn.Linear]) -> None:
    one, other = pair
    weights = list(one.parameters())
    before = addresses(one, weights)
    answer(one)
    assert addresses(one, weights) == before != [weight.data_ptr() for weight in weights]
    answer(other)
    assert addresses(one, weights) == before == [weight.data_ptr() for weight in weights]


def test_what_was_changed_there_is_taken_home(pair: tuple[nn.Linear, nn.Linear]) -> None:
    one, other = pair
    answer(one)
    with torch.no_grad():
        one.weight.add_(1.0)
    changed = answer(one)
    one.bias.data = one.bias.data + 1.0
    twice = answer(one)
    assert torch.allclose(twice, changed + 1.0)
    answer(other)
    assert torch.equal(answer(one), twice)


def test_a_weight_that_was_exchanged_there_is_taken_home(
    pair: tuple[nn.Linear, nn.Linear], device: PlayedDevice
) -> None:
    one, other = pair
    answer(one)
    one.weight = nn.Parameter(torch.eye(64))
    exchanged = answer(one)
    answer(other)
    assert device.held == size(other)
    assert torch.equal(answer(one), exchanged)


def test_what_was_kept_counts_after_turns_and_not_after_changes(pair: tuple[nn.Linear, nn.Linear]) -> None:
    kept, calls = Kept(), list[int]()

    def ask(network: nn.Module) -> Tensor:
        return kept.get(network, "answer", READ, lambda: calls.append(0) or answer(network))

    first = ask(pair[0])
    ask(pair[0])
    ask(pair[1])
    assert ask(pair[0]) is first
    assert len(calls) == 2
    answer(pair[0])
    with torch.no_grad():
        pair[0].bias.add_(1.0)
    assert not torch.equal(ask(pair[0]), first)
    answer(pair[1])
    assert torch.allclose(ask(pair[0]), first + 1.0)


def test_where_room_ends_all_are_at_home(pair: tuple[nn.Linear, nn.Linear], device: PlayedDevice) -> None:
    one, _ = pair
    before, wanted = places(pair), copy.deepcopy(one)(READ)
    device.room = size(one) - 1
    with pytest.raises(torch.OutOfMemoryError):
        answer(one)
    assert places(pair) == before and device.held == 0
    device.room = size(one)
    assert torch.equal(answer(one), wanted)


def test_threads_wait_for_each_other(pair: tuple[nn.Linear, nn.Linear], device: PlayedDevice) -> None:
    wanted = [copy.deepcopy(network)(READ) for network in pair]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(answer, [*pair] * 50))
    assert all(torch.equal(each, wanted[number % 2]) for number, each in enumerate(found))
    assert device.most == size(pair[0])


def test_a_copy_takes_no_turns(pair: tuple[nn.Linear, nn.Linear], device: PlayedDevice) -> None:
    answer(pair[0])
    copied = copy.deepcopy(pair[0])
    brought = device.brought
    assert takes_turns(pair[0]) and not takes_turns(copied)
    answer(copied)
    assert device.brought == brought


def test_others_are_where_they_lie() -> None:
    network = nn.Linear(2, 2, device="meta")
    with ready(network) as device:
        assert device == device_of(network) == torch.device("meta")
    assert addresses(network, [network.weight]) == [network.weight.data_ptr()]


def test_nothing_holds_what_is_gone(device: PlayedDevice) -> None:
    network = nn.Linear(64, 64)
    turns = Turns(CPU, device)
    take_turns([network], turns)
    answer(network)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None
    other = nn.Linear(64, 64)
    take_turns([other], turns)
    answer(other)
    assert device.held == size(other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_type_a_network_computes_in_is_that_of_its_weights(make_tiny: MakeCheckpoint, dtype: torch.dtype) -> None:
    unet = make_tiny().unet
    nn.Module.to(unet, dtype)
    assert dtype_of(unet) == unet.dtype == dtype


def test_a_network_kept_in_fewer_bits_computes_in_another_type(make_tiny: MakeCheckpoint) -> None:
    unet = make_tiny().unet
    unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    assert dtype_of(unet) == torch.bfloat16


def test_a_network_without_weights_computes_in_torchs_own_type() -> None:
    assert dtype_of(nn.Identity()) == torch.float32
