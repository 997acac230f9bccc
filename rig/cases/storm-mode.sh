# SPDX-License-Identifier: GPL-2.0
# about: Xen's mode goes round many times, under perf and the lockup detector
# cpus: amd intel
# kernel: lockup
# kernels: ours
# smp: 2
# xen: dom0_vcpus_pin
# linux: nmi_watchdog=1
# timeout: 400
ROUNDS=200
. "${0%/*}/storm.sh"
PERIOD=250000
mode=/sys/hypervisor/pmu/pmu_mode

round() {
	case $(($1 % 4)) in
	0) new=hv ;;
	1) new=all ;;
	2) new=off ;;
	3) new=self ;;
	esac
	echo $new >$mode && read -r now <$mode && [ "$now" = $new ]
}

ready
storm round
echo self >$mode
calm
