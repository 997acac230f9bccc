# SPDX-License-Identifier: GPL-2.0
"""The rig: real Xen with a working vPMU on any machine.

It builds a QEMU that has a PMU, kernels and a dom0 image, boots them, and
says what came out.  Each module has one subject; ``cli`` puts them together.
"""
