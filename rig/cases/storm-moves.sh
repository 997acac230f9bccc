# SPDX-License-Identifier: GPL-2.0
# about: vCPUs change their processor, and processors, vCPUs and CPU pools come and go
# cpus: amd intel
# kernel: lockup
# kernels: ours
# image: tools
# smp: 2
# linux: nmi_watchdog=1 rootfstype=ramfs
# timeout: 400
ROUNDS=16
. "${0%/*}/storm.sh"
online=/sys/devices/system/cpu/cpu1/online

# vcpus NUMBER: dom0 is to have so many, and has them soon. One that Xen gives back is
# there, and somebody has to turn it on.
vcpus() {
	xl vcpu-set 0 "$1" || return 1
	for tenth in $(seq 100); do
		[ "$1" = 1 ] || echo 1 >$online
		[ "$(nproc)" != "$1" ] || return 0
		usleep 100000
	done 2>/dev/null
	return 1
}

round() {
	case $(($1 % 8)) in
	0) xl vcpu-pin 0 0 1 && xl vcpu-pin 0 1 0 ;;
	1) xl vcpu-pin 0 0 0 && xl vcpu-pin 0 1 1 ;;
	2) xl vcpu-pin 0 all all && xen-hptool cpu-offline 1 ;;
	3) xen-hptool cpu-online 1 ;;
	4) vcpus 1 ;;
	5) vcpus 2 ;;
	6) xl cpupool-cpu-remove Pool-0 1 && xl cpupool-create 'name="side"' 'cpus=["1"]' ;;
	7) xl cpupool-destroy side && xl cpupool-cpu-add Pool-0 1 ;;
	esac >round.out 2>&1 || {
		sed "s/^/# round $1: /" round.out
		return 1
	}
}

toolstack
ready
storm round
check "both processors are there" [ "$(xl info | awk '$1 == "nr_cpus" { print $3 }')" = 2 ]
check "both vCPUs are there" [ "$(nproc)" = 2 ]
calm
