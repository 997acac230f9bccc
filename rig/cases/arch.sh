# SPDX-License-Identifier: GPL-2.0
# about: with vpmu=arch perf says which events Xen forbids, and counts the others
# cpus: intel
# xen: vpmu=arch
. "${0%/*}/ipc.sh"
