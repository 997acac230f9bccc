# SPDX-License-Identifier: GPL-2.0
# about: xen-profile in dom0: its picture, its refusals, and Xen's mode afterwards
# cpus: amd intel
# kernels: ours
# image: python
# xen: dom0_vcpus_pin
# timeout: 480
. "${0%/*}/lib.sh"
mode=/sys/hypervisor/pmu/pmu_mode
names=--guestkallsyms=/proc/xen/xensyms
PERIOD=200003
CALLS=120000

# profiled ARGUMENTS...: xen-profile into out.html; its words in rig.out, and the mode is as before
profiled() {
	before=$(cat $mode)
	xen-profile -o out.html "$@" >rig.out 2>&1
	status=$?
	sed 's/^/# | /' rig.out
	[ $status = 0 ] && [ "$(cat $mode)" = "$before" ]
}

# refused NAME WORDS COMMAND...: it does not go about it, and says so in those words
refused() {
	name=$1 words=$2
	shift 2
	"$@" >rig.out 2>&1 </dev/null
	status=$?
	sed 's/^/# | /' rig.out
	check "refusal: $name" [ $status = 1 -a "$(grep -c "^xen-profile: .*$words" rig.out)" = 1 ]
	check "refusal: $name: without a traceback" none "$(grep -c Traceback rig.out)"
}

# part KIND: its share in the picture's bar
part() {
	sed -n "s/.*title=\"\([0-9.]*\) % $1\".*/\1/p" out.html
}

# hot: the first function of the table
hot() {
	awk '/^ *[0-9.]+ % +[0-9,]+ / { print $NF; exit }' rig.out
}

# running PROGRAM: how many of it are
running() {
	ps -o comm | grep -c "^$1"
}

# held MODE: is Xen in that mode within ten seconds?
held() {
	for tenth in $(seq 100); do
		[ "$(cat $mode)" != "$1" ] || return 0
		sleep 0.1
	done
	return 1
}

check "the mode is self at first" [ "$(cat $mode)" = self ]

# Time in Xen, beside what perf itself says of it in a recording of its own.
check "hyper: profiled, the mode is as before" \
	profiled --hypervisor --period $PERIOD --raw raw.txt -- hyper $CALLS
check "hyper: samples" [ "$(grep -c '^[^ 	]' raw.txt)" -ge 1200 ]
echo hv >$mode
$perf kvm --host --guest $names -o perf.data record -q -g -e cycles -c $PERIOD -- hyper $CALLS
echo self >$mode
$perf script -i perf.data $names -F misc 2>/dev/null >rig.misc
for kind in user:U kernel:K hypervisor:G; do
	share=$(percent "$(grep -c "${kind#*:}" rig.misc)" "$(grep -c . rig.misc)")
	figure "hyper-${kind%:*}" "$(part "${kind%:*}")" %
	figure "hyper-${kind%:*}-perf" "$share" %
	# Two recordings of some 1300 samples: chance alone makes 1.5 percent of a difference.
	near "hyper: ${kind%:*} is what perf says" "$(part "${kind%:*}")" "$share" $((4 + 2 * OWN))
	check "hyper: ${kind%:*} is in it" [ "$(part "${kind%:*}" | cut -d. -f1)" -ge 3 ]
	near "hyper: ${kind%:*} is what perf script printed" "$(part "${kind%:*}")" \
		"$(percent "$(awk -v k="${kind#*:}" '/^[^ \t]/ && $NF == k' raw.txt | wc -l)" \
			"$(grep -c '^[^ 	]' raw.txt)")" 0.2
done
check "hyper: Xen's functions are in the picture" grep -q '"name":"pv_hypercall","kind":"h"' out.html
check "hyper: all of Xen's samples are marked" none "$(grep -c 'without a mark' rig.out)"
check "hyper: and in the table" grep -q ' hypervisor  pv_hypercall$' rig.out

# A program with known shares, for a known time.
check "loop: profiled" profiled -a --period $PERIOD --seconds 1 -- loop 4000000000000
check "loop: the hottest function" [ "$(hot)" = hot ]
near "loop: no longer than a second, which is so many periods" \
	"$(sed -n 's/.*; \([0-9,]*\) samples.*/\1/p' out.html | tr -d ,)" $((1000000000 / PERIOD)) 800
figure loop-samples "$(sed -n 's/.*; \([0-9,]*\) samples.*/\1/p' out.html | tr -d ,)"
check "loop: the program has ended, too" none "$(running loop)"
check "a process, without Xen's part" sh -c '
	loop 4000000000000 & job=$!
	xen-profile -o out.html --no-hypervisor --seconds 0.5 -p $job >rig.out 2>&1
	status=$?
	kill $job
	exit $status'
check "a process: the hottest function" [ "$(hot)" = hot ]
check "the whole machine" profiled --domains --seconds 0.5

# However it ends, the mode is put back.
for signal in INT TERM HUP; do
	xen-profile -o early.html --seconds 500 >rig.out 2>&1 &
	job=$!
	check "$signal: recording" held hv
	sleep 1
	kill -$signal $job
	wait $job
	status=$?
	sed 's/^/# | /' rig.out
	check "$signal: the mode is put back" [ "$(cat $mode)" = self ]
	check "$signal: perf is gone" none "$(running perf)"
	[ $signal = INT ] || check "$signal: it says how it ended" [ $status -gt 128 ]
done
check "INT: what there was is drawn" grep -q '</html>' early.html
xen-profile -o out.html -- sh -c 'kill -9 $PPID' >rig.out 2>&1
sed 's/^/# | /' rig.out
check "perf is killed: the mode is put back" [ "$(cat $mode)" = self ]
check "perf is killed: that is said" [ "$(grep -c 'Traceback\|perf was killed' rig.out)" = 1 ]

# What is missing is said.
refused "not root" "as root" python3 -c 'import os, sys
os.setuid(1)
os.execvp(sys.argv[1], sys.argv[1:])' xen-profile -o /tmp/out.html
refused "no perf" "perf is missing" env PATH=/nowhere /usr/bin/python3 /usr/local/bin/xen-profile
mkdir old
printf '#!/bin/sh\necho perf version 5.10.1\n' >old/perf
chmod +x old/perf
refused "an old perf" "too old" env PATH="$PWD/old:$PATH" xen-profile
refused "no such process" "no process 4000000" xen-profile -p 4000000
refused "no such program" "no program 'nonesuch'" xen-profile -- nonesuch
refused "no such folder" "cannot be written" xen-profile -o /nowhere/out.html
umount /proc/xen
refused "xenfs is not mounted" "mount -t xenfs xenfs /proc/xen" xen-profile
check "without xenfs, without Xen's part" profiled --no-hypervisor --seconds 0.2
mount -t xenfs xenfs /proc/xen
echo all >$mode
refused "mode all" "another profiler" xen-profile
check "mode all: what is needed for domains, and stays" profiled --domains --seconds 0.2
echo hv >$mode
refused "mode hv" "another profiler" xen-profile --no-hypervisor
check "mode hv: what is needed, and stays" profiled --seconds 0.2
echo off >$mode
refused "mode off" "mode off" xen-profile
echo self >$mode
refused "not Xen" "no Xen guest" xen-profile --root /nowhere
mv /usr/local/share/xen-profile/page.html page.html
refused "no page" "make install" xen-profile
check "no page: nothing was recorded" [ "$(cat $mode)" = self ]

xen-profile --report | sed 's/^/# | /'
xen-profile --report >rig.out
for words in 'Xen 4' "Linux $(uname -r)" 'perf version' '^cpu family' 'pmu_mode: self' \
	'Performance Events' '^cpu0' 'interrupts'; do
	check "report: $words" grep -q "$words" rig.out
done
check "report: no name of the host" none "$(grep -cw "$(hostname)" rig.out)"
done_testing
