"""The picture half of a CLIP model, as transformers has it."""

import torch
from transformers import CLIPVisionModelWithProjection

from retouch.models.image_encoder import load_image_encoder
from retouch.models.pocket import CLIP_MEMBER, find_pocket


@torch.no_grad()
def test_features_are_those_of_the_vision_model_with_projection() -> None:
    encoder = load_image_encoder()
    reference = CLIPVisionModelWithProjection.from_pretrained(find_pocket(CLIP_MEMBER)).float().eval()
    framed = torch.randint(0, 256, (2, 3, 144, 144), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = encoder(framed)
    wanted = reference(encoder.framing.normalised(framed), output_hidden_states=True)
    torch.testing.assert_close(found.embedded, wanted.image_embeds)
    torch.testing.assert_close(found.last, wanted.last_hidden_state)
    torch.testing.assert_close(found.penultimate, wanted.hidden_states[-2])
    assert found.last.shape == (2, encoder.tokens, encoder.width)
