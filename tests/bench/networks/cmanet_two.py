"""CMANet's stage two."""
from networks.cmanet import StageTwo as Network, make_optimizer
