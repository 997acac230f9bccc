# SPDX-License-Identifier: GPL-2.0
# about: Xen's own watchdog takes the vPMU away, and the kernel's line names it
# kernels: ours
# cpus: intel
# xen: watchdog
# image: python
. "${0%/*}/vpmu-off.sh"
