"""The one denoising loop, its guidance and its schedules; knows no network."""
