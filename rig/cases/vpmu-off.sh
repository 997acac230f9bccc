# SPDX-License-Identifier: GPL-2.0
# about: without vpmu=on the kernel says so once and perf has no hardware events
# cpus: amd intel
# xen: vpmu=off
# image: python
. "${0%/*}/lib.sh"

pmu_messages | sed 's/^/# /'
check "one line about it" [ "$(pmu_messages | wc -l)" = 1 ]
check "it names what may have taken it" eval 'pmu_messages | grep -q "vpmu=on, no watchdog"'
count instructions,cycles,task-clock loop 10000000
for event in instructions cycles; do
	[ "$(counted $event)" = "<not supported>" ] && pass "$event are not supported" ||
		fail "$event are not supported" "perf says $(counted $event)"
done
check "software events work" [ "$(counted task-clock | cut -d. -f1)" -gt 0 ]
check "no interrupt line is left behind" none "$(grep -c ' pmu[0-9]*$' /proc/interrupts)"
xen-profile >rig.out 2>&1
sed 's/^/# | /' rig.out
check "xen-profile refuses, and says what to do" grep -q '^xen-profile: .*vpmu=on on Xen.s command line' rig.out
done_testing
