"""Cross-view self-fusion, second phase."""
from networks.cvsf import Network, make_optimizer
