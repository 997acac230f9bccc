# SPDX-License-Identifier: GPL-2.0
# about: a domain restored where it gets no vPMU, and again where it gets one
# cpus: amd intel
# xens: 4.17 4.20
# image: tools
# linux: rootfstype=ramfs
# timeout: 400
. "${0%/*}/lib.sh"
N=4000000000	# instructions of the program: eight seconds
SHORT=2000000
mode=/sys/hypervisor/pmu/pmu_mode
log=/var/log/xen/console/guest-sleeper.log

dom0_programs sleeper
cat >sleeper/init <<W
#!/bin/sh
export PATH=/usr/local/bin:/usr/bin:/bin HOME=/ PERF_PAGER=cat
mkdir -p /proc /sys /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
cd /tmp
echo "asleep soon"
perf stat --no-scale -x, -o task -e instructions -e instructions:D -- loop $N &
job=\$!
while kill -0 \$job 2>/dev/null; do
	perf stat -x, -o short -e instructions -- loop $SHORT
	sed -n 's/^\\([^#].*\\)/short,\\1/p' short
	sleep 0.3
done
sed -n 's/^\\([^#].*\\)/task,\\1/p' task
dmesg | grep -iE 'xen_pmu|vpmu' | sed 's/^/# /'
echo "awake"
while :; do sleep 1000; done
W
ramdisk sleeper
rm -r sleeper

# told EVENT FIELD: of the long perf stat; 2 is the count, 5 the time that it ran, in
# nanoseconds, 6 the share of its time in percent
told() {
	awk -F, -v e="$1" -v f="$2" '$1 == "task" && $4 == e { print $f; exit }' $log | tr -d '\r'
}

# shorts: the counts of the short programs that are numbers, and those that are none
shorts() {
	awk -F, '$1 == "short" { print $2 }' $log | tr -d '\r'
}

# What Xen saves of a domain on Intel has its CPUID leaf 0Ah: of one that has no vPMU
# the leaf is empty, and Xen gives it none again (domain_cpu_policy_changed()).
case $RIG_CPU in
intel) counted=24 back=0 ;;
*) counted=70 back=4 ;;
esac

toolstack
domain sleeper 200 1
check "the domain begins" says sleeper 30 "asleep soon"
sleep 2
check "it is saved" xl save sleeper saved
echo off >$mode
check "the mode is off" [ "$(cat $mode)" = off ]
check "it is restored without a vPMU" xl restore saved
sleep 2
check "and saved again" xl save sleeper saved
echo self >$mode
check "the mode is self again" [ "$(cat $mode)" = self ]
check "it is restored with one" xl restore saved
check "and goes on to its end" says sleeper 90 "awake"
sed 's/^/# | /' $log

for event in instructions instructions:D; do
	share=$(told $event 6)
	figure "$event-share" "$share" %
	near "$event: perf says how much of it was counted" "$share" $counted 12
	# perf rounds the share; the time that it is of is exact, and each instruction takes 2 ns.
	close_to "$event: what it says was counted was" "$(told $event 2)" \
		"$(told $event 5 | awk '{ printf "%.0f", $1 / 2 }')" 6
done
check "while there is no vPMU an event cannot be opened" \
	[ "$(shorts | grep -c 'not supported')" -ge 2 ]
check "no short program has a wrong number" none "$(shorts | grep -v '^<not' |
	awk -v n=$SHORT -v own=$OWN '$1 < n || $1 > (0.7 + 0.9 * own) * n { bad++ } END { print bad + 0 }')"
after=$(awk -F, '$1 == "short" { if ($2 ~ /not/) gone = 1; else if (gone) after++ }
	END { print after + 0 }' $log)
figure short-afterwards "$after"
check "with a vPMU again they have one" [ "$after" -ge $back ]
check "nothing went wrong in the domain" none "$(grep -cE 'BUG|WARNING|Oops' $log)"
done_testing
