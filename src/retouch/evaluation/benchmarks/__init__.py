"""The benchmarks that editors are put to: published ones, RoomsBench, and records of one's own."""
