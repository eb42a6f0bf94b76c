"""What `bench_device.py` asks of a machine with an accelerator."""
