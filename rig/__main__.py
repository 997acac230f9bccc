# SPDX-License-Identifier: GPL-2.0
"""``python3 -m rig``."""

import sys

from rig.cli import main

sys.exit(main(sys.argv[1:]))
