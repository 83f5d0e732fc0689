"""References varied for training."""

import torch

from retouch.training.varied import varied


def test_variation_repeats_by_seed_and_keeps_shape_and_background() -> None:
    framed = torch.full((16, 3, 32, 32), 128, dtype=torch.uint8)
    framed[:, 0, 12:20, 12:20] = 250
    one, other = (varied(framed, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert one.shape == framed.shape and one.dtype == torch.uint8
    assert not torch.equal(one, framed)
    assert (one[..., 0, 0] == 128).all()
    assert one[:, 0].float().amax(dim=(1, 2)).min() > 180
