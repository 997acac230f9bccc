# SPDX-License-Identifier: GPL-2.0
# about: the modifier h counts the hypervisor, u and k the guest
# cpus: amd intel
. "${0%/*}/lib.sh"
CALLS=300000
strict=/sys/module/xen_pmu/parameters/strict_modes
PARTS=instructions,instructions:h,instructions:uk

# warnings: how often the log says that u and k cannot be told apart
warnings() {
	dmesg | grep -c 'counts both'
}

# Two lengths: perf's own part is in both, once all is warm.
count $PARTS hyper 100
snapshot 1
count $PARTS hyper $((CALLS / 3))
snapshot 2
few_xen=$(counted instructions:h) few_guest=$(counted instructions:uk)
snapshot 3
count $PARTS hyper $CALLS
snapshot 4
all=$(counted instructions)
hyper_xen=$(counted instructions:h)
guest=$(counted instructions:uk)
known "h is what ran in ring 0" $((hyper_xen - few_xen)) instr_os "4 -3 -2 1" 1
known "uk is what ran outside it" $((guest - few_guest)) instr_usr "4 -3 -2 1" 1
figure hyper-guest "$((guest / CALLS))" instructions/call
figure hyper-xen "$((hyper_xen / CALLS))" instructions/call
# Xen's way into a hypercall and out of it, and an empty hypercall between.
check "a hypercall costs Xen more than 100 instructions" [ $((hyper_xen / CALLS)) -gt 100 ]
check "and less than 5000" [ $((hyper_xen / CALLS)) -lt 5000 ]
close_to "hypercalls: all = Xen + guest" "$all" $((hyper_xen + guest)) 1

# A loop of the same length in the guest
guest=$((guest / 100000 * 100000))
count $PARTS loop $guest
loop_xen=$(counted instructions:h)
figure loop-xen "$(percent "$loop_xen" $guest)" %
figure hyper-xen-share "$(percent "$hyper_xen" $guest)" %
close_to "computing: the guest's part" "$(counted instructions:uk)" $guest 1
close_to "computing: all = Xen + guest" "$(counted instructions)" \
	$((loop_xen + $(counted instructions:uk))) 1
check "computing: Xen's part is there, and below 3 %" \
	[ "$loop_xen" -gt 0 -a $((loop_xen * 100)) -lt $((guest * 3)) ]
check "hypercalls cost Xen ten times as much as computing" \
	[ "$hyper_xen" -gt $((10 * loop_xen)) ]

count cycles:h,cycles:uk hyper $CALLS
[ -z "$RIG" ] && skip "cycles of Xen" "known on the rig only" ||
	close_to "cycles of Xen go with its instructions" \
		"$(counted cycles:h)" $((CYCLES * hyper_xen)) 3

count instructions:u,instructions:k loop 200000000
figure loop-u "$(percent "$(counted instructions:u)" 200000000)" %
figure loop-k "$(percent "$(counted instructions:k)" 200000000)" %
close_to "counted alone, u is both sides of the guest" "$(counted instructions:u)" 200000000 $OWN
close_to "and so is k" "$(counted instructions:k)" 200000000 $OWN
check "the log says so once" [ "$(warnings)" = 1 ]

# There is no guest that it could mean: neither the count of all nor a 0
count cycles:G,instructions:G loop 10000000
for event in cycles:G instructions:G; do
	check "$event is not supported" [ "$(counted $event)" = "<not supported>" ]
done
count instructions:H loop 100000000
close_to "H is what there is" "$(counted instructions:H)" 100000000 $((2 * OWN))

if [ -e $strict ]; then
	echo 1 >$strict
	count instructions:u,instructions:k,instructions:uk,instructions loop 50000000
	for event in instructions:u instructions:k; do
		check "strict_modes: $event is not supported" \
			[ "$(counted $event)" = "<not supported>" ]
	done
	close_to "strict_modes: u and k together are" "$(counted instructions:uk)" 50000000 $((2 * OWN))
	# A sampling event can be read as a counter, too.
	check "strict_modes: sampling u is refused" \
		sh -c "! $perf record -q -e instructions:u -c 100000 -o perf.data -- true 2>/dev/null"
	echo 0 >$strict
	count instructions:u loop 50000000
	close_to "without it again" "$(counted instructions:u)" 50000000 $((2 * OWN))
else
	fail "strict_modes is a parameter" "$strict does not exist"
fi
done_testing
