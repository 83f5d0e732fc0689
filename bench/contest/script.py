"""What a user would write around diffusers' pipeline: FOLDER PICTURE INSTRUCTION RESULT DEVICE [STEPS]."""

import sys

import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from PIL import Image

folder, picture, instruction, result, device = sys.argv[1:6]
steps = int(sys.argv[6]) if len(sys.argv) > 6 else 20
dtype = torch.float16 if device == "cuda" else torch.float32
pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, dtype=dtype, safety_checker=None).to(device)
image = Image.open(picture).convert("RGB")
made = pipeline(instruction, image=image, num_inference_steps=steps, guidance_scale=7.5, image_guidance_scale=1.5)
made.images[0].save(result)  # pyright: ignore[reportAttributeAccessIssue]
