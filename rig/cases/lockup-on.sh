# SPDX-License-Identifier: GPL-2.0
# about: nmi_watchdog=1 turns the hard-lockup detector on, as in KVM's guests
# kernel: lockup
# kernels: ours
# cpus: intel
# linux: nmi_watchdog=1
. "${0%/*}/lockup.sh"
