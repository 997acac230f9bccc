# SPDX-License-Identifier: GPL-2.0
# about: the hard-lockup detector takes no counter unless it is asked for
# kernel: lockup
# kernels: ours
# cpus: amd intel
. "${0%/*}/lib.sh"
sysctl=/proc/sys/kernel/nmi_watchdog
# What the checkers do to start and end a program is a million instructions.
N=100000000

# enabled: does the log say that the detector has a counter?
enabled() {
	dmesg | grep -q 'NMI watchdog: Enabled'
}

# all_counters: can a group be as large as there are general counters?
all_counters() {
	n=$(general_counters)
	event=r00c0
	[ "$RIG_CPU" = intel ] && event=r00c4
	group=$(yes $event | head -n "$n" | tr '\n' ,)
	count "{${group%,}}" loop $N
	[ "$(running $event)" = 100.00 ]
}

case ${0##*/} in
lockup.sh)
	check "the kernel has the detector" [ -e $sysctl ]
	check "it is off" [ "$(cat $sysctl)" = 0 ]
	check "and took no counter" eval '! enabled'
	check "a group of as many events as counters runs" all_counters
	echo 1 >$sysctl
	check "it can be turned on" [ "$(cat $sysctl)" = 1 ]
	;;
*)
	check "nmi_watchdog=1 turns it on" [ "$(cat $sysctl)" = 1 ]
	;;
esac
check "then it has a counter" enabled
# Intel's has cycles on a fixed counter.
[ "$RIG_CPU" = intel ] || check "and one less is left" eval '! all_counters'
count instructions loop $N
close_to "beside it perf counts right" "$(counted instructions)" $N $((OWN + 1))
done_testing
