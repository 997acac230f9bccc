# SPDX-License-Identifier: GPL-2.0
# about: NMIs at any point, from the kernel (sysrq-l) and from Xen (xl trigger)
# cpus: amd intel
# kernel: lockup
# kernels: ours
# image: tools
# smp: 2
# linux: nmi_watchdog=1 rootfstype=ramfs
# timeout: 400
ROUNDS=10
. "${0%/*}/storm.sh"

# nmis: how many have come, both CPUs together
nmis() {
	awk '$1 == "NMI:" { print $2 + $3 }' /proc/interrupts
}

# What they print is not for the console, where it would be taken for a complaint.
round() {
	for time in 1 2 3 4 5; do
		echo l >/proc/sysrq-trigger
	done
	xl trigger 0 nmi $(($1 % 2))
}

dmesg_has() {
	dmesg | grep -qE "$1"
}

toolstack
dmesg -n 1
ready
before=$(nmis)
storm round
figure nmis $(($(nmis) - before))
# sysrq-l asks all CPUs but its own, five times a round; Xen's may fall together with one.
check "the NMIs came" [ $(($(nmis) - before)) -ge $((5 * ROUNDS)) ]
xl trigger 0 nmi 1
before=$(nmis)
for time in 1 2 3 4 5; do
	xl trigger 0 nmi 1
	sleep 0.1
done
check "and so do Xen's" [ $(($(nmis) - before)) -ge 5 ]
check "the log has backtraces" dmesg_has 'NMI backtrace for cpu'
check "and no complaint" eval '! dmesg_has "BUG:|WARNING:|Oops|rcu.*stall|lockup"'
calm
