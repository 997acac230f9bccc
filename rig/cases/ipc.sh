# SPDX-License-Identifier: GPL-2.0
# about: with vpmu=ipc perf says which events Xen forbids, and counts the others
# cpus: intel
# xen: vpmu=ipc
. "${0%/*}/lib.sh"
N=200000000

# forbidden EVENT / allowed EVENT: perf says so at once
forbidden() {
	count "$1" loop 10000000
	figure "$1" "$(counted "$1" | tr ' ' -)"
	check "$1 is not supported" [ "$(counted "$1")" = "<not supported>" ]
}

allowed() {
	count "$1" loop 10000000
	figure "$1" "$(counted "$1" | tr ' ' -)"
	check "$1 can be opened" [ "$(counted "$1" | tr -d 0-9)" = "" ]
}

count instructions,cycles loop $N
close_to "instructions" "$(counted instructions)" $N $OWN
close_to "cycles" "$(counted cycles)" $((CYCLES * N)) $OWN
# Twice each: one of them is on a general counter.
count instructions,cycles,instructions:uk,cycles:uk loop $N
for event in instructions cycles instructions:uk cycles:uk; do
	scale=1
	[ "${event%:*}" = instructions ] || scale=$CYCLES
	close_to "$event, fixed or general" "$(counted $event)" $((scale * N)) $OWN
done
count ref-cycles loop $N
close_to "ref-cycles, on a fixed counter" "$(counted ref-cycles)" $((CYCLES * N)) $OWN

# The events that vpmu=arch allows beside those. The rig's processor has none of
# them: what counts here is whether they can be opened.
for event in branches branch-misses cache-misses; do
	if [ "${0##*/}" = arch.sh ]; then allowed $event; else forbidden $event; fi
done
forbidden r01b7
forbidden L1-dcache-loads
record instructions 1000000 loop $N
close_to "samples of instructions" "$(samples)" $((N / 1000000)) 2
check "nothing was refused behind perf's back" none "$(dmesg | grep -c 'unchecked')"
done_testing
