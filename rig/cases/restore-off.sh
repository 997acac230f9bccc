# SPDX-License-Identifier: GPL-2.0
# about: a domain restored where it gets no vPMU, and again where it gets one
# cpus: amd intel
# xens: 4.17 4.20
# image: tools
# linux: rootfstype=ramfs
# timeout: 400
. "${0%/*}/asleep.sh"
mode=/sys/hypervisor/pmu/pmu_mode

# What Xen saves of a domain on Intel has its CPUID leaf 0Ah: of one that has no vPMU
# the leaf is empty, and Xen gives it none again (domain_cpu_policy_changed()).
case $RIG_CPU in
intel) counted=24 back=0 ;;
*) counted=70 back=4 ;;
esac

sleeper
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
	counted_in_part $event $counted 12
done
check "while there is no vPMU an event cannot be opened" \
	[ "$(shorts | grep -c 'not supported')" -ge 2 ]
after=$(awk -F, '$1 == "short" { if ($2 ~ /not/) gone = 1; else if (gone) after++ }
	END { print after + 0 }' $log)
figure short-afterwards "$after"
check "with a vPMU again they have one" [ "$after" -ge $back ]
right_or_none
done_testing
