"""Control of attention: what a U-Net's layers look at while it denoises, changed and put back exactly."""
