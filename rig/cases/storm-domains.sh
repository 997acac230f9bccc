# SPDX-License-Identifier: GPL-2.0
# about: domains are created and destroyed beside a profile in mode all
# cpus: amd intel
# kernel: lockup
# kernels: ours
# image: tools
# smp: 2
# linux: nmi_watchdog=1 rootfstype=ramfs
# timeout: 400
ROUNDS=5
. "${0%/*}/storm.sh"
SPARE=1500	# xenstored's and xl's beside them: their files are memory here
names=--guestkallsyms=/proc/xen/xensyms

# perf report takes no names for samples that are not this kernel's, and stops without.
summarise() {
	$perf script $names -F ip,sym "$@" 2>/dev/null |
		awk '{ n[$2]++ } END { for (s in n) print 0, n[s], s }' >rig.symbols
}

round() {
	xl create -q one.cfg && sleep 0.3 && xl destroy one
}

toolstack
# Xen takes this mode only while it has no domain that may use a PMU, and the kernel if
# no vCPU of dom0 can change its processor.
check "mode all is refused" eval '! echo all 2>/dev/null >/sys/hypervisor/pmu/pmu_mode'
check "and the log says what to do" eval 'pmu_messages | grep -q dom0_vcpus_pin'
xl vcpu-pin 0 0 0
xl vcpu-pin 0 1 1
echo all >/sys/hypervisor/pmu/pmu_mode
check "mode all" [ "$(cat /sys/hypervisor/pmu/pmu_mode)" = all ]
guest one 256 1 loop 4000000000000
check "the domain runs" says one 30 'Run /init'
xl destroy one
ready
storm round
$perf script $names -i storm.data -F misc 2>/dev/null | grep -c '[gG]' >rig.guests
figure guests "$(cat rig.guests)" samples
check "some samples were theirs or Xen's" [ "$(cat rig.guests)" -gt 0 ]
check "none is left" [ "$(xl list | wc -l)" = 2 ]
rm -f /var/log/xen/*.log* /var/log/xen/console/*
calm
