"""What PyTorch computes, one module a family: tools/make_golden.py writes it below tests/golden/."""
