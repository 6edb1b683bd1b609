"""CMANet's stage one."""
from networks.cmanet import StageOne as Network, make_optimizer
