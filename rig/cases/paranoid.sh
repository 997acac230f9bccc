# SPDX-License-Identifier: GPL-2.0
# about: what somebody who is not root may count and see, by perf_event_paranoid
# cpus: amd intel
. "${0%/*}/lib.sh"
N=50000000
mode=/sys/hypervisor/pmu/pmu_mode
root=$perf
user="user 1000 $perf"
chmod 777 .
# What keeps Xen busy, and needs no right: page tables
echo 'for i in 1 2 3 4 5 6 7 8 9 10; do busybox true; busybox true; done' >forks.sh

# paranoid LEVEL: from now on, and perf is the user's
paranoid() {
	echo "$1" >/proc/sys/kernel/perf_event_paranoid
	perf=$user
	rm -f rig.stat rig.out perf.data
	: >rig.out
}

# refused NAME EVENT [ARGUMENTS]: perf does not open it, and prints no number of it
refused() {
	name=$1 event=$2
	shift 2
	: >rig.stat
	chmod 666 rig.stat
	$perf stat -x, -o rig.stat -e "$event" "$@" -- loop 100000 >rig.out 2>&1
	printed=$(awk -F, '$1 ~ /^[0-9]/' rig.stat)
	check "$name" [ -z "$printed" ]
	[ -z "$printed" ] || echo "# $printed"
}

perf=$root
count instructions:uk sh forks.sh
guest=$(counted instructions:uk)
count instructions:h sh forks.sh
xen=$(counted instructions:h)
check "what runs has a part in the hypervisor" [ $((10 * xen)) -gt "$guest" ]

paranoid 2
count instructions:u loop $N
close_to "2: a user counts his program" "$(counted instructions:u)" $N $((2 * OWN))
count instructions:u sh forks.sh
close_to "2: nothing of the hypervisor is in it" "$(counted instructions:u)" "$guest" 5
refused "2: the kernel is not for him" instructions:k
refused "2: nor is the hypervisor" instructions:h
refused "2: nor are other programs" instructions:u -a

paranoid 1
count instructions:h sh forks.sh
close_to "1: the hypervisor's part" "$(counted instructions:h)" "$xen" 10
refused "1: other programs are not for him" instructions -a

paranoid 0
$perf stat -x, -a -o rig.stat -e instructions -- loop $N >rig.out 2>&1
check "0: other programs, too" [ "$(counted instructions)" -ge $N ]

# Samples: with the hypervisor's mode on, by root, for another profile
echo hv >$mode
paranoid 2
$perf record -q -e instructions:u -c 5003 -o perf.data -- sh forks.sh >rig.out 2>&1
perf=$root
# Samples of guests are left out without a name for what they are in.
$perf script -f -i perf.data --guestkallsyms=/proc/xen/xensyms -F misc,ip 2>/dev/null >rig.misc
figure user-samples "$(wc -l <rig.misc)"
check "2, mode hv: a user has samples" [ "$(wc -l <rig.misc)" -ge 20 ]
check "2, mode hv: none is the hypervisor's" none "$(grep -c '^ *[A-Z]*[gG] ' rig.misc)"
check "2, mode hv: and none has an address of its" none "$(grep -c ffff8[23] rig.misc)"
echo self >$mode

user 1000 sh -c "echo off >$mode" 2>/dev/null
check "the mode is root's to set" [ "$(cat $mode)" = self ]
check "debugfs is root's to read" \
	sh -c '! user 1000 cat /sys/kernel/debug/xen/pmu/cpu0 2>/dev/null'
echo 2 >/proc/sys/kernel/perf_event_paranoid
done_testing
