"""Figures of previews on edits whose quality is known."""

import torch

from retouch.training.preview import Preview


def preview(edits: torch.Tensor, sources: torch.Tensor, targets: torch.Tensor) -> Preview:
    changed = torch.zeros(len(edits), 8, 8)
    changed[:, 2:6, 2:6] = 1.0
    return Preview(sources=sources, edits=edits, targets=targets, changed=changed)


def test_the_target_itself_is_nearer_and_the_source_is_not() -> None:
    sources = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    targets = sources.clone()
    targets[:, :, 2:6, 2:6] += 1
    assert preview(targets, sources, targets).figures() == {"nearer to the target": 1.0, "error outside": 0.0}
    assert preview(sources, sources, targets).figures() == {"nearer to the target": 0.0, "error outside": 0.0}


def test_noise_is_not_nearer_and_shows_outside() -> None:
    generator = torch.Generator().manual_seed(1)
    sources = torch.randn(3, 4, 8, 8, generator=generator)
    targets = sources.clone()
    targets[:, :, 2:6, 2:6] += 0.5
    noise = 3 * torch.randn(3, 4, 8, 8, generator=generator)
    figures = preview(noise, sources, targets).figures()
    assert figures["nearer to the target"] == 0.0
    assert figures["error outside"] > 1


def test_where_nothing_should_change_only_the_outside_is_judged() -> None:
    same = torch.zeros(2, 4, 8, 8)
    assert preview(same, same, same).figures() == {"error outside": 0.0}
