# SPDX-License-Identifier: GPL-2.0
# about: a domain is saved, and restored on another machine, to which the host carries the file
# to: amd amd/4.20 intel unfixed
# kernels: ours
# image: tools
# linux: rootfstype=ramfs
# timeout: 400
. "${0%/*}/asleep.sh"
device=$(grep -l 0x1110 /sys/bus/pci/devices/*/device)
device=${device%/device}
echo 1 >"$device/enable"
toolstack

if [ "$RIG_STATION" = 1 ]; then
	sleeper
	domain sleeper 200 1
	check "the domain begins" says sleeper 30 "asleep soon"
	sleep 3
	check "it is saved" xl save sleeper saved
	check "and the host has the file" carry out "$device/resource2" saved
	done_testing
	exit
fi

# nowhere: is there no domain but dom0?
nowhere() {
	[ "$(xl list | wc -l)" = 2 ]
}

check "the other machine has the file" carry in "$device/resource2" saved
case $RIG_CPU:$RIG_TO in
amd:amd10h | amd:intel | intel:amd)
	# Leaves of CPUID, or state of the FPU, that the processor has not
	check "Xen does not restore it" eval '! xl restore saved'
	check "and nothing of it is left" nowhere
	done_testing
	exit
	;;
*:unfixed) why="its PMU is not the one that this kernel booted with" ;;
*/vpmu=off) why="Xen wants vpmu=on" ;;
*) why= ;;
esac

check "it is restored" xl restore saved
check "and goes on to its end" says sleeper 90 "awake"
sed 's/^/# | /' $log
for event in instructions instructions:D; do
	if [ -n "$why" ]; then
		counted_in_part $event 35 12
	else
		check "$event: counted all of the time" [ "$(told task $event 6)" = 100.00 ]
		near "$event: none is lost" "$(percent "$(told task $event)" $N)" 100.7 0.7
	fi
done
# The first that is told of here may have ended there, before the domain was saved.
numbers=$(shorts | sed 1d | grep -vc '^<not')
none=$(shorts | grep -c 'not supported')
if [ -n "$why" ]; then
	check "no event can be opened there" [ "$none" -ge 2 ]
	check "and none that began here has a number" none "$numbers"
	check "the log says why, once" [ "$(grep -v '^#' $log | grep -c "$why")" = 1 ]
else
	check "every event can be opened there" none "$none"
	check "and has a number" [ "$numbers" -ge 2 ]
fi
right_or_none
done_testing
