# SPDX-License-Identifier: GPL-2.0
# about: the same, to other processors, another vendor's, another Xen, or one without a vPMU
# to: amd amd/vpmu=off amd milan amd amd10h amd intel intel intel/4.20 intel intel/4.20/vpmu=off intel skylake intel haswell intel amd
# run: soak
# image: tools
# linux: rootfstype=ramfs
# timeout: 400
. "${0%/*}/elsewhere.sh"
