"""UltraEdit (BleachNick/UltraEdit): generated pairs with captions, some with a region, all with published scores."""

from functools import partial

from retouch.records.layouts.tables import TableLayout, read_tables

_SCORES = ("clip_sim_source", "clip_sim_target", "clip_sim_dir", "clip_sim_image", "dinov2_sim", "ssim")

LAYOUT = TableLayout(
    source=("source_image",),
    target=("edited_image",),
    instruction=("edit_prompt",),
    source_caption=("source_caption",),
    target_caption=("target_caption",),
    mask=("mask_image",),
    object=("edit_object",),
    params=("idx",),
    scores={name: f"ultraedit/published/{name}" for name in _SCORES},
)

read_ultraedit = partial(read_tables, layout=LAYOUT)
