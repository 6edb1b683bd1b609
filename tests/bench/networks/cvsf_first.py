"""Cross-view self-fusion, first phase."""
from networks.cvsf import Network, make_optimizer
