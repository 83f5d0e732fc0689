"""A checkpoint's networks computed by OpenVINO on the CPU, where nothing looks into them."""
