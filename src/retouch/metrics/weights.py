"""Where the published weights of metrics lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LpipsNetwork = Literal["alex", "vgg", "squeeze"]


@dataclass(frozen=True, kw_only=True)
class MetricWeights:
    """Folders, hub ids and files of networks beside the CLIP encoder; see `docs/metrics.md`.

    dino: a DINO vision transformer (ViT-S/16 for MagicBrush and DreamBench), a folder or a hub id.
    dinov2: a DINOv2 (base for LangDesign's table), a folder or a hub id.
    structure: a DINO vision transformer for the structure distance (ViT-B/8 for PIE-Bench); None `dino`.
    lpips_network: which network LPIPS reads: "alex", or "squeeze" as PIE-Bench has it.
    lpips_backbone: that network's weights as torchvision publishes them, a file.
    lpips_linear: LPIPS's own layers for it, a file.
    inception: FID's own Inception, `pt_inception-2015-12-05`, a file.
    reference: statistics of real pictures for the Fréchet distances, `.npz`; None compares with the targets.
    quality: a mixture fitted to real pictures, `.npz`; None fits one to the targets.

    Without `dino`, `dinov2` and `structure` the CLIP encoder's vision tower stands in; without `inception` its
    embedding. Both say so in their protocols.
    """

    dino: str | Path | None = None
    dinov2: str | Path | None = None
    structure: str | Path | None = None
    lpips_network: LpipsNetwork = "alex"
    lpips_backbone: Path | None = None
    lpips_linear: Path | None = None
    inception: Path | None = None
    reference: Path | None = None
    quality: Path | None = None


POCKET_WEIGHTS = MetricWeights()
"""Nothing but what comes with the package."""
